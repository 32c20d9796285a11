//! Patterns of copies' names and tags, as people write them.

use std::fmt;
use std::str::FromStr;

use hythe_oci::{RepositoryName, Tag};

/// Longer than any name with any tag.
const LONGEST: usize = 1024;

/// Which copies are meant: `name` or `name:tag`, in which `*` stands for anything, slashes included. An upstream's port may
/// be written as in its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    name: String,
    tag: Option<String>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is empty, or its tag is.
    #[error("`{0}` is not a pattern: write a name or name:tag, where * matches any text")]
    Empty(String),
    /// It is longer than what it could match.
    #[error("the pattern is too long: the limit is {LONGEST} bytes")]
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

    /// Whether it means this tag of a repository of this name; without a tag of its own it means them all.
    pub fn matches(&self, name: &RepositoryName, tag: &Tag) -> bool {
        let is_tag = |pattern: &String| matches(pattern, tag.as_str());
        matches(&self.name, name.as_str()) && self.tag.as_ref().is_none_or(is_tag)
    }

    /// The name as SQLite's GLOB takes it.
    pub(crate) fn name_glob(&self) -> String {
        glob(&self.name)
    }

    /// The tag as SQLite's GLOB takes it.
    pub(crate) fn tag_glob(&self) -> String {
        self.tag.as_deref().map_or_else(|| "*".to_owned(), glob)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong);
        }
        // No name has a colon; no tag has a slash, so what has one behind the first colon is a port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (text, None),
        };
        if name.is_empty() || tag == Some("") {
            return Err(PatternError::Empty(text.to_owned()));
        }
        Ok(Self { name: name.replace(':', "__"), tag: tag.map(str::to_owned) })
    }
}

/// Whether `text` is `pattern` with something in the place of each `*`. What stands between two of them is taken where it
/// first comes: to take it later leaves less to what follows, so that nothing is ever tried twice.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
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
            ("*", "*", "*"),
            ("docker.io/*", "docker.io/*", "*"),
            ("*:latest", "*", "latest"),
            ("a***b:7.?", "a*b", "7.[?]"),
            ("[a]", "[[]a]", "*"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(
                (pattern.name_glob(), pattern.tag_glob()),
                (name.to_owned(), tag.to_owned()),
                "{text}"
            );
            assert_eq!(pattern.to_string(), text);
        }
        let port: Pattern = "reg.example:5000/*:v1".parse().unwrap();
        assert_eq!(port.to_string(), "reg.example__5000/*:v1");
        let port: Pattern = "reg.example:5000/app".parse().unwrap();
        assert_eq!((port.name_glob(), port.has_tag()), ("reg.example__5000/app".to_owned(), false));
        for text in ["", ":", ":tag", "name:"] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError::Empty(text.to_owned())));
        }
        assert_eq!("a".repeat(LONGEST + 1).parse::<Pattern>(), Err(PatternError::TooLong));
    }

    #[test]
    fn a_pattern_means_tags_of_the_names_that_it_fits() {
        for (pattern, image, fits) in [
            ("*", "library/redis:7", true),
            ("library/redis", "library/redis:7", true),
            ("library/redis:7*", "library/redis:7", true),
            ("library/redis:7*", "library/redis:7.2-alpine", true),
            ("library/redis:7*", "library/redis:6.7", false),
            ("library/redis:7*", "library/redis-stack:7", false),
            ("redis:*", "library/redis:7", false),
            ("*/redis:*", "library/redis:7", true),
            ("*:latest", "a/b/c:latest", true),
            ("*:latest", "a/b/c:latest-1", false),
            ("*:*-*-alpine", "a:1-2-alpine", true),
            ("*:*-*-alpine", "a:1-alpine", false),
            ("a*a", "a:1", false),
            ("a*a", "aa:1", true),
            ("*ab*ab", "xabab:1", true),
            ("*ab*ab", "xab:1", false),
            ("***:**", "a:1", true),
            ("a?c", "abc:1", false),
        ] {
            let (name, tag) = image.split_once(':').unwrap();
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(
                pattern.matches(&name.parse().unwrap(), &tag.parse().unwrap()),
                fits,
                "{pattern} {image}"
            );
        }
    }
}
