//! Templates in YAML (`{{ … }}` of Helm and Jinja, `{% … %}`): hides them from the YAML parser, because they are not
//! YAML.

/// The characters around a template's number, which together stand for the template. Files do not contain these
/// characters.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// The length of the longest template, in bytes. A longer text between braces is something else.
const MAX_LENGTH: usize = 2000;

/// The hidden templates.
#[derive(Debug, Default)]
pub(super) struct Templates(Vec<String>);

impl Templates {
    /// The text with its templates hidden: a line that has only templates becomes empty, and every other template
    /// becomes a word. The numbers of lines do not change.
    pub(super) fn hide(text: &str) -> (String, Self) {
        let mut templates = Self::default();
        if !text.contains("{{") && !text.contains("{%") {
            return (text.to_owned(), templates);
        }
        let (mut marked, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
            let end = if rest[at..].starts_with("{{") { "}}" } else { "%}" };
            let length =
                rest[at + 2..].find(end).filter(|length| *length < MAX_LENGTH).map(|length| length + 4);
            let Some(length) = length.filter(|length| !rest[at..at + length].contains("\n---")) else {
                marked.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            };
            let template = &rest[at..at + length];
            marked.push_str(&rest[..at]);
            marked.extend([OPEN.to_string(), templates.0.len().to_string(), CLOSE.to_string()]);
            marked.extend(template.matches('\n'));
            templates.0.push(template.to_owned());
            rest = &rest[at + length..];
        }
        marked.push_str(rest);
        let lines: Vec<&str> =
            marked.split('\n').map(|line| if is_template(line) { "" } else { line }).collect();
        (lines.join("\n"), templates)
    }

    /// The original text, with its templates put back.
    pub(super) fn show(&self, text: &str) -> String {
        if self.0.is_empty() || !text.contains(OPEN) {
            return text.to_owned();
        }
        let mut shown = String::new();
        for (at, part) in text.split(OPEN).enumerate() {
            let marked = if at == 0 { None } else { part.split_once(CLOSE) };
            let template = marked.and_then(|(number, _)| self.0.get(number.parse::<usize>().ok()?));
            match (marked, template) {
                (Some((_, behind)), Some(template)) => shown.extend([template, behind]),
                _ => shown.push_str(part),
            }
        }
        shown
    }
}

/// Whether a line has only templates.
fn is_template(line: &str) -> bool {
    let mut hidden = false;
    let mut any = false;
    for c in line.chars() {
        match c {
            OPEN => (hidden, any) = (true, true),
            CLOSE => hidden = false,
            c if hidden || c.is_whitespace() => {}
            _ => return false,
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_hidden_and_put_back_and_line_numbers_stay() {
        let text = "{{- if .a }}\nimage: {{ .Values.image }}:{{ .tag }} # x\n{{/* two\nlines */}}\n{% if x %}\nb: '{{ c'\n";
        let (hidden, templates) = Templates::hide(text);
        assert!(!hidden.contains(".Values"), "{hidden}");
        assert_eq!(hidden.lines().count(), text.lines().count());
        assert_eq!(hidden.lines().next(), Some(""));
        let line = hidden.lines().nth(1).unwrap();
        assert_eq!(templates.show(line), "image: {{ .Values.image }}:{{ .tag }} # x");
        assert_eq!(hidden.lines().nth(5), Some("b: '{{ c'"));
    }
}
