//! The errors of opening, reading and writing the catalog.

use std::path::{Path, PathBuf};

use hythe_oci::{RepositoryName, UploadId};

use crate::Origin;

/// Why a read or a write failed. That a row does not exist is no error: each answer says so itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The disk, or the file's share of it, is full. The write changed nothing.
    #[error("the catalog's disk is full; free some space and try again")]
    NoSpace,
    /// Any other failure, in the database's own words.
    #[error("the catalog is not available: {0}")]
    Unavailable(String),
    /// The database is damaged: a page of it has other bytes than it should have.
    #[error(
        "catalog {} is damaged ({reason}); stop the server, then rebuild the catalog: `hythe recover --data {}`",
        .path.display(), data_folder(.path)
    )]
    Damaged {
        /// The catalog's file.
        path: PathBuf,
        /// The database's own words.
        reason: String,
    },
    /// The upload session has a newer owner, or has ended. The write changed nothing.
    #[error("another request took over upload {0}, or ended it")]
    UploadTaken(UploadId),
    /// The repository exists, and its content comes from another origin. The write changed nothing.
    #[error("repository `{repository}` has content of another origin ({origin})")]
    OtherOrigin {
        /// The repository.
        repository: RepositoryName,
        /// The origin of its content.
        origin: Origin,
    },
}

/// The result of a read or a write.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn closed() -> Self {
        Self::Unavailable("it was closed".to_owned())
    }

    /// A sync of the catalog's log failed.
    pub(crate) fn log_lost() -> Self {
        Self::Unavailable(
            "writing its log to the disk failed, so it accepts no more writes; check the disk, then restart the server"
                .to_owned(),
        )
    }

    /// The same error, about the catalog in this file.
    pub(crate) fn located(self, at: &Path) -> Self {
        match self {
            Self::Damaged { reason, .. } => Self::Damaged { path: at.to_owned(), reason },
            other => other,
        }
    }

    /// The catalog's file, or its log, is no longer the one that was opened.
    pub(crate) fn moved(path: &Path) -> Self {
        Self::Unavailable(format!(
            "{} was removed or replaced while the server was running, so the catalog accepts no more writes; \
             put the data folder back, then restart the server",
            path.display()
        ))
    }
}

/// The data folder that a catalog lies in.
fn data_folder(catalog: &Path) -> std::path::Display<'_> {
    match catalog.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display(),
        _ => Path::new("FOLDER").display(),
    }
}

/// Why a catalog's file could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A later version of the program has used the file.
    #[error(
        "catalog {} has schema version {found}, but this version of hythe knows versions up to {known}; \
         start the newer version that last used it, or restore a backup",
        path.display()
    )]
    Newer {
        /// The catalog's file.
        path: PathBuf,
        /// The version that the file has.
        found: u32,
        /// The latest version that this program can use.
        known: u32,
    },
    /// The file is not a database, or the database is damaged.
    #[error(
        "catalog {} is damaged ({reason}). Rebuild it from the journal and the blobs beside it: `hythe recover --data {}`; \
         or restore the whole data folder from a backup; or start with an empty registry: choose another folder with \
         --data FOLDER",
        path.display(), data_folder(path)
    )]
    Damaged {
        /// The catalog's file.
        path: PathBuf,
        /// The database's own words.
        reason: String,
    },
    /// The catalog does not exist, but the blobs beside it need one.
    #[error(
        "catalog {} is missing or empty, but content is stored beside it. Rebuild the catalog from the journal and the \
         blobs: `hythe recover --data {}`; or put back the whole data folder from a backup; or start with an empty \
         registry: move the folders `blobs` and `journal` away, or choose another folder with --data FOLDER",
        path.display(), data_folder(path)
    )]
    Missing {
        /// The catalog's file.
        path: PathBuf,
    },
    /// The disk has no room to create, upgrade or recover the catalog.
    #[error("catalog {} cannot be opened because its disk is full; free some space and start again", path.display())]
    NoSpace {
        /// The catalog's file.
        path: PathBuf,
    },
    /// Any other failure.
    #[error(
        "catalog {} cannot be opened: {reason}; check that the file and its folder exist and are writable",
        path.display()
    )]
    Other {
        /// The catalog's file.
        path: PathBuf,
        /// The system's or the database's own words.
        reason: String,
    },
}
