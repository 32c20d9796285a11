//! Where a repository's content comes from: stored with it, never guessed from its name (DESIGN, decision 6).

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hythe_oci::{Authority, RepositoryName};
use rusqlite::Connection;

use crate::{Error, repositories};

/// What stands for [`Origin::Local`]; no upstream has this name.
const LOCAL: &str = "local";

/// Where a repository's content comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It was pushed here.
    #[default]
    Local,
    /// It is a copy of what this registry has.
    Upstream(String),
}

impl Origin {
    /// A copy of what the registry of this name has.
    pub fn upstream(name: &Authority) -> Self {
        Self::Upstream(name.to_string())
    }

    /// As the database has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            Self::Upstream(name) => name,
        }
    }
}

/// Where a repository's content comes from, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Where from.
    pub origin: Origin,
    /// Whether something of it was fetched with credentials: not everybody may have it.
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

/// Refuses where the repository is there and its content comes from elsewhere: what was pushed here must never be
/// the answer for what an upstream has, nor a copy be changed by a push. To be called before anything is written.
pub(crate) fn check(
    connection: &Connection,
    name: &RepositoryName,
    origin: &Origin,
) -> rusqlite::Result<Result<(), Error>> {
    Ok(match repositories::origin(connection, name)? {
        Some(found) if found != *origin => {
            Err(Error::OtherOrigin { repository: name.clone(), origin: found })
        }
        _ => Ok(()),
    })
}
