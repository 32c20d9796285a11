//! A repository name (distribution-spec, Pulling manifests, `<name>`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most characters of a name: clients limit `host[:port]/name` to this length.
const MAX_LENGTH: usize = 255;

/// A repository's name: lower-case path components joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

/// Why a text is not a repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("the repository name is empty")]
    Empty,
    /// The name is longer than clients support.
    #[error("the repository name has {length} characters; the limit is {MAX_LENGTH}")]
    TooLong {
        /// The length of the given name, in characters.
        length: usize,
    },
    /// A component does not match the grammar.
    #[error(
        "repository name `{name}`: component `{component}` must be lower-case letters and digits, \
         separated by one `.`, one or two `_`, or any number of `-`"
    )]
    Component {
        /// The whole name.
        name: String,
        /// The first component that does not match the grammar.
        component: String,
    },
}

impl RepositoryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &[u8]) -> bool {
    let mut rest = component;
    loop {
        let word = rest.iter().take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        let separator = match rest {
            [] => return true,
            [b'_', b'_', ..] => 2,
            [b'.' | b'_', ..] => 1,
            [b'-', ..] => rest.iter().take_while(|&&c| c == b'-').count(),
            _ => return false,
        };
        rest = &rest[separator..];
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > MAX_LENGTH {
            return Err(NameError::TooLong { length: name.chars().count() });
        }
        match name.split('/').find(|component| !is_component(component.as_bytes())) {
            Some(component) => {
                Err(NameError::Component { name: name.to_owned(), component: component.to_owned() })
            }
            None => Ok(Self(name.to_owned())),
        }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RepositoryName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RepositoryName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
