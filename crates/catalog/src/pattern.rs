//! Patterns for the names and tags of cached copies, as users write them.

use std::fmt;
use std::str::FromStr;

use hythe_oci::{RepositoryName, Tag};

/// The longest pattern, in bytes: longer than any name with any tag.
const LONGEST: usize = 1024;

/// Selects copies: `name` or `name:tag`, where `*` matches any text, slashes included. An upstream's port may be
/// written as in its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    name: String,
    tag: Option<String>,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text, or its tag, is empty.
    #[error("`{0}` is not a pattern: write a name or name:tag, where * matches any text")]
    Empty(String),
    /// The text is longer than anything that it could match.
    #[error("the pattern is too long: the limit is {LONGEST} bytes")]
    TooLong,
}

impl Pattern {
    /// The pattern that selects all copies.
    pub fn all() -> Self {
        Self { name: "*".to_owned(), tag: None }
    }

    /// Whether the pattern selects tags, not whole copies.
    pub fn has_tag(&self) -> bool {
        self.tag.is_some()
    }

    /// Whether the pattern selects this tag of a repository of this name. A pattern without a tag selects all tags.
    pub fn matches(&self, name: &RepositoryName, tag: &Tag) -> bool {
        let is_tag = |pattern: &String| matches(pattern, tag.as_str());
        matches(&self.name, name.as_str()) && self.tag.as_ref().is_none_or(is_tag)
    }

    /// The pattern for the name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The pattern for the tag; `*` if the pattern selects whole copies.
    pub(crate) fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("*")
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
        // No name has a colon, and no tag has a slash. So if a slash follows the last colon, that colon precedes a
        // port.
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

/// Whether `text` matches `pattern`, where `*` matches any text. Each part between two stars is matched at its first
/// occurrence: a later one would leave less text to the parts that follow, so no part is ever tried twice.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_with_or_without_a_tag() {
        for (text, name, tag) in [
            ("*", "*", "*"),
            ("docker.io/*", "docker.io/*", "*"),
            ("*:latest", "*", "latest"),
            ("a***b:7.?", "a***b", "7.?"),
            ("[a]", "[a]", "*"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!((pattern.name(), pattern.tag()), (name, tag), "{text}");
            assert_eq!(pattern.to_string(), text);
        }
        let port: Pattern = "reg.example:5000/*:v1".parse().unwrap();
        assert_eq!(port.to_string(), "reg.example__5000/*:v1");
        let port: Pattern = "reg.example:5000/app".parse().unwrap();
        assert_eq!((port.name(), port.has_tag()), ("reg.example__5000/app", false));
        for text in ["", ":", ":tag", "name:"] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError::Empty(text.to_owned())));
        }
        assert_eq!("a".repeat(LONGEST + 1).parse::<Pattern>(), Err(PatternError::TooLong));
    }

    #[test]
    fn a_pattern_selects_the_tags_and_names_that_it_matches() {
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
