//! Why an import could not go on. What it already took over stays, and the next one goes on from there.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an import could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder of the tree cannot be listed: nobody knows what would be left out.
    #[error("cannot read {}: {source}", path.display())]
    Tree {
        /// The folder.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
    /// The registry that is to take it over failed.
    #[error(transparent)]
    Registry(#[from] hythe_registry::Error),
}

impl Error {
    pub(crate) fn tree(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Tree { path: path.to_owned(), source }
    }
}
