//! Why a backup or a restore failed.

use std::io;
use std::path::{Path, PathBuf};

use crate::Time;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a backup, a verification, a prune or a restore failed. Blobs that it copied stay, and the next run continues.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the backup cannot be used.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was being done, such as `read`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The folder holds other files.
    #[error("{} is not empty, and hythe has made no backup there: name an empty folder, or one that does not exist", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds no backup.
    #[error("{} holds no backup: it has no file hythe-backup.json", path.display())]
    NoBackup {
        /// The folder.
        path: PathBuf,
    },
    /// A newer version of hythe made the folder.
    #[error("{} has format {found} of backups, and this version of hythe knows only format {known}: use a newer hythe", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known.
        known: u32,
    },
    /// A snapshot is damaged.
    #[error("the snapshot {} is damaged: {reason}. Choose another one, from `hythe backup list DEST`", path.display())]
    Snapshot {
        /// The snapshot's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No snapshot is as old as that.
    #[error("{} has no snapshot{}", path.display(), at.map(|at| format!(" at or before {at}")).unwrap_or_default())]
    NoSnapshot {
        /// The folder of the backups.
        path: PathBuf,
        /// The time, if one was asked for.
        at: Option<Time>,
    },
    /// The registry did not give what the backup asked for.
    #[error("{0}")]
    Source(String),
    /// The lease ended again and again before the blobs were copied.
    #[error(
        "the registry ended the lease of this backup {tries} times: the backup could not renew it in time, or takes longer than a \
         day. The copied blobs stay: back up again to continue"
    )]
    Lease {
        /// How many leases were taken.
        tries: u32,
    },
    /// The new registry refused.
    #[error(transparent)]
    Registry(#[from] hythe_registry::Error),
    /// The new registry's storage refused.
    #[error(transparent)]
    Storage(#[from] hythe_storage::Error),
}

impl Error {
    pub(crate) fn file<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }
}
