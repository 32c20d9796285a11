//! Patterns of copies' names and tags, as people write them.

use std::str::FromStr;

/// Longer than any name with any tag.
const LONGEST: usize = 1024;

/// Which copies are meant: `name` or `name:tag`, in which `*` stands for anything, slashes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Both as SQLite's GLOB takes them.
    name: String,
    tag: Option<String>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is empty, or its tag is.
    #[error("`{0}` is not a pattern: write a name or name:tag, in which * stands for anything")]
    Empty(String),
    /// It is longer than what it could match.
    #[error("the pattern is longer than any name: it may have {LONGEST} bytes")]
    TooLong,
}

impl Pattern {
    /// All copies.
    pub fn all() -> Self {
        Self { name: "*".to_owned(), tag: None }
    }

    /// Whether it means tags, and not whole copies.
    pub fn has_tag(&self) -> bool {
        self.tag.is_some()
    }

    pub(crate) fn name_glob(&self) -> &str {
        &self.name
    }

    pub(crate) fn tag_glob(&self) -> &str {
        self.tag.as_deref().unwrap_or("*")
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        // No name has a colon.
        let (name, tag) = match text.split_once(':') {
            Some((name, tag)) => (name, Some(tag)),
            None => (text, None),
        };
        if name.is_empty() || tag == Some("") {
            return Err(PatternError::Empty(text.to_owned()));
        }
        Ok(Self { name: glob(name), tag: tag.map(glob) })
    }
}

/// Of GLOB's special characters only `*` is one here.
fn glob(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' if glob.ends_with('*') => {}
            '?' => glob.push_str("[?]"),
            '[' => glob.push_str("[[]"),
            c => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_perhaps_with_a_tag() {
        for (text, name, tag) in [
            ("*", "*", None),
            ("docker.io/*", "docker.io/*", None),
            ("*:latest", "*", Some("latest")),
            ("a***b:7.?", "a*b", Some("7.[?]")),
            ("[a]", "[[]a]", None),
        ] {
            let expected = Pattern { name: name.to_owned(), tag: tag.map(str::to_owned) };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", ":", ":tag", "name:"] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError::Empty(text.to_owned())));
        }
        assert_eq!("a".repeat(LONGEST + 1).parse::<Pattern>(), Err(PatternError::TooLong));
    }
}
