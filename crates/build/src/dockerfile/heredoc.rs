//! Here-documents that a line announces: `<<EOF`, `<<-EOF`, `3<<"EOF"`.

/// A here-document that a line announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heredoc {
    pub(super) name: String,
    /// `<<-`: the line that ends it may begin with tabs.
    pub(super) strips_tabs: bool,
}

/// The here-documents of a line, in their order.
pub(super) fn heredocs(line: &str) -> Vec<Heredoc> {
    words(line).iter().filter_map(|word| heredoc(word)).collect()
}

/// The name of the here-document that a word is, if it is one.
pub(crate) fn heredoc_name(word: &str) -> Option<String> {
    heredoc(word).map(|heredoc| heredoc.name)
}

fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (strips_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.contains('<') {
        return None;
    }
    let name = unquoted(rest)?;
    (!name.is_empty()).then_some(Heredoc { name, strips_tabs })
}

/// A word without its quotes and escapes; `None` if it is several words.
fn unquoted(word: &str) -> Option<String> {
    let (mut name, mut quote, mut chars) = (String::new(), None, word.chars());
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => name.extend(chars.next()),
            (None, c) if c.is_whitespace() => return None,
            (_, c) => name.push(c),
        }
    }
    quote.is_none().then_some(name)
}

/// The words of a line, with their quotes. White space behind `<<` belongs to the word. A line with an open quote has none.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (None, '<') if chars.peek() == Some(&'<') => {
                word.push_str("<<");
                chars.next();
                while let Some(space) = chars.next_if(|c| matches!(c, ' ' | '\t' | '\r')) {
                    word.push(space);
                }
                continue;
            }
            (None, c) if c.is_whitespace() => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    if quote.is_some() { Vec::new() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_announces_its_here_documents() {
        for (line, names) in [
            ("RUN <<EOF", &["EOF"][..]),
            ("RUN cat <<-'EOF' > /x && cat << \"B\"", &["EOF", "B"]),
            ("COPY <<a <<b /x/", &["a", "b"]),
            ("RUN 3<<EOF cmd", &["EOF"]),
            ("RUN echo \"<<EOF\"", &[]),
            ("RUN cat <<<word", &[]),
            ("RUN echo 1 < 2", &[]),
            ("RUN echo 'open <<EOF", &[]),
            ("RUN echo \\<<EOF", &[]),
        ] {
            let found: Vec<String> = heredocs(line).into_iter().map(|heredoc| heredoc.name).collect();
            assert_eq!(found, names, "{line}");
        }
    }
}
