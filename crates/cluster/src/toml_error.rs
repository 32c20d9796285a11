//! Reading TOML 1.0, the version that containerd and kind read, and reporting the line of an error.

use std::fmt;
use std::ops::Range;

use toml_edit::{Document, DocumentMut, TomlError};

/// Why a text is not TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotToml {
    /// The line, from 1.
    pub line: usize,
    /// The parser's message.
    pub message: String,
}

impl NotToml {
    fn new(text: &str, error: &TomlError) -> Self {
        Self { line: line(text, error.span().as_ref()), message: error.message().replace('\n', ", ") }
    }
}

/// Parses a text. Refuses forms that only TOML 1.1 allows, as containerd and kind do.
pub(crate) fn parse(text: &str) -> Result<DocumentMut, NotToml> {
    parse_in_place(text).map(Document::into_mut)
}

/// Parses a text as [`parse`] does. The parts of the result know their place in the text.
pub(crate) fn parse_in_place(text: &str) -> Result<Document<&str>, NotToml> {
    let document = Document::parse(text).map_err(|error| NotToml::new(text, &error))?;
    match newer(text) {
        Some((line, what)) => {
            Err(NotToml { line, message: format!("{what} is TOML 1.1, which containerd does not read") })
        }
        None => Ok(document),
    }
}

/// The line on which a span begins, from 1.
pub(crate) fn line(text: &str, span: Option<&Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// The first form that only TOML 1.1 allows, with its line. The text is known to be TOML.
fn newer(text: &str) -> Option<(usize, &'static str)> {
    let mut line = 1;
    let mut open: Vec<char> = Vec::new();
    let mut rest = text;
    let mut comma = false;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' | '\'' => {
                let quotes =
                    if rest.starts_with([c, c, c].iter().collect::<String>().as_str()) { 3 } else { 1 };
                let (length, newer) = string(rest, c, quotes);
                if newer {
                    return Some((line, "an escape `\\e` or `\\x`"));
                }
                line += rest[..length].matches('\n').count();
                rest = &rest[length..];
                comma = false;
                continue;
            }
            '#' => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '\n' if open.last() == Some(&'{') => return Some((line, "an inline table on several lines")),
            '\n' => line += 1,
            '}' if comma => return Some((line, "a comma at the end of an inline table")),
            '{' | '[' => open.push(c),
            '}' | ']' => {
                open.pop();
            }
            _ => {}
        }
        if !c.is_whitespace() {
            comma = c == ',';
        }
        rest = &rest[c.len_utf8()..];
    }
    None
}

/// The length of the string at the beginning of a text, and whether it has an escape that only TOML 1.1 allows.
fn string(text: &str, quote: char, quotes: usize) -> (usize, bool) {
    let (mut at, mut newer) = (quotes, false);
    let bytes = text.as_bytes();
    // Two quotes are an empty string. The caller has checked for three, and the text is valid, so they begin no longer
    // string.
    if quotes == 1 && bytes.get(1) == Some(&(quote as u8)) {
        return (2, false);
    }
    while at < bytes.len() {
        let c = bytes[at];
        if c == b'\\' && quote == '"' {
            newer |= matches!(bytes.get(at + 1), Some(b'e' | b'x'));
            at += 2;
        } else if c == quote as u8 && bytes[at..].iter().take_while(|c| **c == quote as u8).count() >= quotes
        {
            // A multi-line string may have up to two quotes directly before its closing ones.
            let run = bytes[at..].iter().take_while(|c| **c == quote as u8).count();
            return (at + if quotes == 3 { run.min(5) } else { 1 }, newer);
        } else {
            at += 1;
        }
    }
    (text.len(), newer)
}

impl std::error::Error for NotToml {}

impl fmt::Display for NotToml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not TOML: {}", self.line, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_toml_1_1_are_refused() {
        for (text, line) in [
            ("a = {\n  b = 1\n}\n", 1),
            ("# {\nx = [{b = 1,}]\n", 2),
            ("a = \"\\e[0m\"\n", 1),
            ("a = '''\n{\n'''\nb = \"\\x41\"\n", 4),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.message.contains("TOML 1.1"), "{error}");
        }
    }

    #[test]
    fn toml_1_0_is_read() {
        for text in [
            "",
            "a = [\n  {b = 1, c = [1,\n 2,\n]}, # {\n]\n[t.\"x{\"]\nk = '\\e'\n",
            "a = \"\"\nb = ''\nc = \"\"\"\n\\\\e \"\"\"\"\"\nd = {}\n",
            "a = 'it{'\nb = \"{\\\"\\\\\"\n",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
