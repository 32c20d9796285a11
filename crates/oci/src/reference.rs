//! The reference of a manifest in a repository: a tag or a digest (distribution-spec, Pulling manifests,
//! `<reference>`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, DigestError};

/// A tag: a letter, digit or `_`, then up to 127 of those, `.` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// The beginning of an input tag, before its hex digits.
const INPUT: &str = "in-";

/// The hex digits of an input tag.
const INPUT_DIGITS: usize = 24;

/// Why a text is not a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tag `{text}` is not valid: it needs 1 to 128 letters, digits, `_`, `.` or `-`, and may not begin with `.` or `-`"
)]
pub struct TagError {
    text: String,
}

impl Tag {
    /// `latest`, which clients pull if a name has neither a tag nor a digest.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// Whether it is an input tag: `in-` and 24 lowercase hex digits. A build computes these digits from the image's
    /// inputs, so that the next build with the same inputs finds the image. Input tags are reserved: lists hide them.
    pub fn is_input(&self) -> bool {
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        self.0.strip_prefix(INPUT).is_some_and(|hex| hex.len() == INPUT_DIGITS && hex.bytes().all(digit))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
        let bytes = text.as_bytes();
        let valid = bytes.len() <= 128
            && bytes.first().is_some_and(|&c| word(c))
            && bytes.iter().all(|&c| word(c) || c == b'.' || c == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(TagError { text: text.to_owned() }) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A tag or a digest. A text with a colon can only be a digest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A tag, which names a manifest.
    Tag(Tag),
    /// A digest, which identifies a manifest by its content.
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text has a colon, so it should be a digest, but is not.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The text has no colon, so it should be a tag, but is not.
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') { Ok(Self::Digest(text.parse()?)) } else { Ok(Self::Tag(text.parse()?)) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_tag_has_24_lowercase_hex_digits() {
        for (text, expected) in [
            ("in-0123456789abcdef01234567", true),
            ("in-0123456789abcdef0123456", false),
            ("in-0123456789abcdef012345678", false),
            ("in-0123456789ABCDEF01234567", false),
            ("in-0123456789abcdefg1234567", false),
            ("IN-0123456789abcdef01234567", false),
            ("in-progress", false),
            ("latest", false),
        ] {
            assert_eq!(text.parse::<Tag>().unwrap().is_input(), expected, "{text}");
        }
    }
}
