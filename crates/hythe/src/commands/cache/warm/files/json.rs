//! JSON as people write it: with comments, trailing commas, and several values one after another.

/// The values of a text that is JSON, each as strict JSON with the number of its first line; `None` if the text is not
/// JSON.
pub(super) fn values(text: &str) -> Option<Vec<(usize, String)>> {
    let mut scanner = Scanner { line: 1, depth: 0, value: String::new(), first: 1, values: Vec::new() };
    let mut rest = text.chars().peekable();
    let mut last = None;
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\n', _) => scanner.newline(),
            ('/', Some('/')) => while rest.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                rest.next();
                loop {
                    match rest.next()? {
                        '\n' => scanner.newline(),
                        '*' if rest.next_if_eq(&'/').is_some() => break,
                        _ => {}
                    }
                }
            }
            ('"', _) => scanner.string('"', &mut rest)?,
            ('\'', _) if last.is_none_or(|last| "{[,:".contains(last)) => scanner.string('\'', &mut rest)?,
            ('{' | '[', _) => scanner.open(c),
            ('}' | ']', _) => scanner.close(c)?,
            (c, _) if c.is_whitespace() => {
                scanner.value.push(' ');
                continue;
            }
            // Between values: a comma, or the separator of RFC 7464.
            (',' | '\u{1e}', _) if scanner.depth == 0 => {}
            _ if scanner.depth == 0 => return None,
            _ => scanner.value.push(c),
        }
        last = Some(c);
    }
    (scanner.depth == 0 && !scanner.values.is_empty()).then_some(scanner.values)
}

struct Scanner {
    line: usize,
    depth: usize,
    value: String,
    first: usize,
    values: Vec<(usize, String)>,
}

impl Scanner {
    fn newline(&mut self) {
        self.line += 1;
        self.value.push('\n');
    }

    fn open(&mut self, bracket: char) {
        if self.depth == 0 {
            self.value.clear();
            self.first = self.line;
        }
        self.depth += 1;
        self.value.push(bracket);
    }

    fn close(&mut self, bracket: char) -> Option<()> {
        self.depth = self.depth.checked_sub(1)?;
        let end = self.value.trim_end().len();
        if self.value[..end].ends_with(',') {
            self.value.replace_range(end - 1..end, " ");
        }
        self.value.push(bracket);
        if self.depth == 0 {
            self.values.push((self.first, std::mem::take(&mut self.value)));
        }
        Some(())
    }

    /// Reads a string up to its closing quote. Replaces escapes of surrogates, because YAML has no characters for the
    /// halves of a surrogate pair.
    fn string(&mut self, quote: char, rest: &mut impl Iterator<Item = char>) -> Option<()> {
        if self.depth == 0 {
            return None;
        }
        self.value.push(quote);
        loop {
            match rest.next()? {
                '\n' => self.newline(),
                '\\' if quote == '"' => {
                    let escaped = rest.next()?;
                    self.value.extend(['\\', escaped]);
                    if escaped == 'u' {
                        let code: String = rest.take(4).collect();
                        let half = code.to_ascii_lowercase().starts_with(['d'])
                            && code.as_bytes().get(1).is_some_and(|c| !c.is_ascii_digit() || *c >= b'8');
                        self.value.push_str(if half { "fffd" } else { &code });
                    }
                }
                c => {
                    self.value.push(c);
                    if c == quote {
                        return Some(());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_trailing_commas_and_several_values_are_read() {
        let text = "// a\n{\"a\": \"http://x\", /* b\n */ \"c\": [1, 2,], \"d\": \"\\ud83d\\ude00\",\n}\n{\"e\": 1}\n";
        let values = values(text).unwrap();
        assert_eq!(values.len(), 2);
        assert_eq!((values[0].0, values[1].0), (2, 5));
        assert_eq!(
            values[0].1.split_whitespace().collect::<String>(),
            "{\"a\":\"http://x\",\"c\":[1,2],\"d\":\"\\ufffd\\ufffd\"}"
        );
    }

    #[test]
    fn a_text_that_is_not_json_is_none() {
        for text in ["", "a: b", "{a: b} # it's", "{", "[1", "\"x\"", "]", "/* x"] {
            assert_eq!(values(text), None, "{text}");
        }
    }
}
