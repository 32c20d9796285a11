//! Patterns that select repositories and tags by their names, as users write them.
//!
//! ```text
//! image pattern := pattern [ ":" pattern ]
//! pattern       := { "*" | any other character }
//! ```
//!
//! `*` matches any text, also an empty one and also slashes; every other character matches itself. A pattern matches a
//! whole name, never a part of it. There is no way to write a literal `*`: no name and no tag contains one.

use std::fmt;
use std::str::FromStr;

use crate::{RepositoryName, Tag};

/// The longest pattern, in bytes: longer than any name with any tag.
const MAX_LENGTH: usize = 1024;

/// A pattern for one text, such as the name of a repository or a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

/// A pattern for images: `NAME`, which selects whole repositories, or `NAME:TAG`, which selects tags of them. A name may
/// begin with a registry and its port as in the registry's address; in names of copies two underscores stand for the
/// port's colon ([`crate::Authority::folder`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePattern {
    repository: Pattern,
    tag: Option<Pattern>,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text, or its name or tag, is empty.
    #[error("`{0}` is not a pattern: write a name or name:tag, where * matches any text")]
    Empty(String),
    /// The text is longer than anything that it could match.
    #[error("the pattern is too long: the limit is {MAX_LENGTH} bytes")]
    TooLong,
}

impl Pattern {
    /// The pattern that matches every text.
    pub fn any() -> Self {
        Self("*".to_owned())
    }

    /// Whether the pattern matches the whole text. The time grows with the length of the text and of the pattern, not
    /// with their product: each piece between two stars is matched at its first occurrence. A later occurrence would
    /// leave less text to the pieces that follow, so no piece is ever tried twice.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for piece in between.split('*') {
            match text.find(piece) {
                Some(at) => text = &text[at + piece.len()..],
                None => return false,
            }
        }
        text.ends_with(last)
    }

    /// Whether the pattern selects the tag. It selects an input tag ([`Tag::is_input`]) only if it begins with `in-`: one
    /// that begins with `*` is not meant for reserved tags.
    pub fn selects(&self, tag: &Tag) -> bool {
        self.matches(tag.as_str()) && (!tag.is_input() || self.0.starts_with("in-"))
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.len() {
            0 => Err(PatternError::Empty(String::new())),
            1..=MAX_LENGTH => Ok(Self(text.to_owned())),
            _ => Err(PatternError::TooLong),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ImagePattern {
    /// The pattern that selects every repository.
    pub fn any() -> Self {
        Self { repository: Pattern::any(), tag: None }
    }

    /// Whether the pattern selects this tag of the repository. A pattern without a tag selects all tags.
    pub fn matches(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.repository.matches(repository.as_str())
            && self.tag.as_ref().is_none_or(|pattern| pattern.matches(tag.as_str()))
    }

    /// The pattern for the repository's name.
    pub fn repository(&self) -> &Pattern {
        &self.repository
    }

    /// The pattern for the tag; `None` if the pattern selects whole repositories.
    pub fn tag(&self) -> Option<&Pattern> {
        self.tag.as_ref()
    }
}

impl FromStr for ImagePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_LENGTH {
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
        Ok(Self { repository: Pattern(name.replace(':', "__")), tag: tag.map(|tag| Pattern(tag.to_owned())) })
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}
