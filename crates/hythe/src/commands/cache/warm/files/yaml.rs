//! Reads the YAML of files with templates.

use hythe_yaml::{Keys, Node, Reader};

use super::template::Templates;

/// Levels of values at most: more than any manifest has. The limit keeps the recursive walk from overflowing the stack.
const MAX_DEPTH: usize = 100;

/// Every document of a text whose first line is `first` of its file. The error has the line, and why the text is not
/// YAML.
pub(super) fn parse(text: &str, first: usize, templates: &Templates) -> Result<Vec<Node>, (usize, String)> {
    // Compose's tag `!reset` removes the value of an earlier file.
    let rewrite = |text: &str, tag: Option<&str>| match tag {
        Some("reset") => String::new(),
        _ => templates.show(text),
    };
    // A template writes the same key on each branch of a condition.
    let reader =
        Reader { keys: Keys::Repeated, first_line: first, rewrite: Some(&rewrite), ..Reader::new(MAX_DEPTH) };
    reader.read(text).map_err(|error| (error.position.line, error.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Node>, (usize, String)> {
        parse(text, 1, &Templates::default())
    }

    #[test]
    fn a_key_may_repeat_and_reset_removes_a_value() {
        let documents = parsed("a: 1\na: 2\nb: !reset x\n").unwrap();
        assert_eq!((documents[0].text("a"), documents[0].text("b")), (Some("1"), None));
    }

    #[test]
    fn endless_and_broken_texts_are_refused() {
        for text in [&"[".repeat(100_000), "a: [", "a: &x [*x]", "%"] {
            assert!(parsed(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}
