//! The origin of a repository's content: stored with the repository, never guessed from its name (DESIGN, decision 6).

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hythe_oci::Authority;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text of [`Origin::Local`] in the database; no upstream has this name.
const LOCAL: &str = "local";

/// Where a repository's content comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Clients pushed it to this registry.
    #[default]
    Local,
    /// It is a copy of the content of the upstream registry with this name.
    Upstream(String),
}

impl Origin {
    /// The origin of a copy of the content of the registry with this name.
    pub fn upstream(name: &Authority) -> Self {
        Self::Upstream(name.to_string())
    }

    /// `local`, or the upstream's name: the text that the database stores.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            Self::Upstream(name) => name,
        }
    }
}

/// Where a repository's content comes from, and whether its access is restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The origin of the content.
    pub origin: Origin,
    /// Whether some of the content was fetched with credentials, so that not every client may pull it.
    pub private: bool,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Origin {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == LOCAL { Self::Local } else { Self::Upstream(text.to_owned()) })
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
