//! Why an import failed. The content that it already imported stays, and the next import continues from there.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder of the tree cannot be listed, so the import does not know which content it would leave out.
    #[error("cannot read {}: {source}", path.display())]
    Tree {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The registry that imports the tree failed.
    #[error(transparent)]
    Registry(#[from] hythe_registry::Error),
}

impl Error {
    pub(crate) fn tree(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Tree { path: path.to_owned(), source }
    }
}
