//! What can go wrong with bytes.

use std::io;
use std::path::{Path, PathBuf};

use hythe_oci::UploadId;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a back end could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No space, or a quota is used up. Nothing half-written is kept; it works again when there is space.
    #[error("no space is left for {}", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// The bytes that an upload should already have are not here.
    #[error("upload {id} has lost bytes: only {found} of {expected} are stored")]
    UploadLost {
        /// Which upload.
        id: UploadId,
        /// How many bytes it should have.
        expected: u64,
        /// How many are here.
        found: u64,
    },
    /// Anything else that the operating system said.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system answered.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::NoSpace { path: path.to_owned() }
            }
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }

    /// Whether the process, or the system, has as many files open as it may: it works again when some are closed.
    pub fn is_out_of_files(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
        codes.iter().any(|code| source.raw_os_error() == Some(code.raw_os_error()))
    }
}

/// Why a folder cannot be the data folder of this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be created or written.
    #[error(
        "the data folder {} cannot be used: {action}: {source}. {} with --data FOLDER (or HYTHE_DATA)",
        path.display(), remedy(.path, .source)
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Another process serves from it.
    #[error(
        "another hythe{} already serves the data folder {}. \
         Stop that process, or give this one its own folder with --data FOLDER",
        .owner.as_deref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other one's process id, where it could be read.
        owner: Option<String>,
    },
    /// A later version of hythe wrote it.
    #[error(
        "the data folder {} has format {found}, but this hythe knows formats up to {known}: a newer version wrote it. \
         Start that version again, or give this one another folder with --data FOLDER",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format found.
        found: String,
        /// The newest format known here.
        known: u32,
    },
    /// What says the folder's format is no number.
    #[error(
        "{} is damaged: it should hold the number of the data folder's format, but it holds {found}. If only this \
         file was changed, write `1` into it; otherwise restore the folder from a backup, or choose another with \
         --data FOLDER",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
    /// It belongs to the operating system.
    #[error(
        "{} is a folder of the operating system, but the registry needs a data folder of its own. Choose one with \
         --data FOLDER, for example /var/lib/hythe",
        path.display()
    )]
    System {
        /// The folder.
        path: PathBuf,
    },
    /// It is on a network file system, where locks and the catalog are not safe.
    #[error(
        "the data folder {} is on a network file system ({kind}), where file locks and SQLite cannot be trusted \
         and data would be lost. Choose a folder on a local disk with --data FOLDER",
        path.display()
    )]
    NetworkFileSystem {
        /// The folder.
        path: PathBuf,
        /// Its file system, as the mount table spells it.
        kind: String,
    },
}

/// What to do about a folder that cannot be used, up to the flag that names another.
fn remedy(path: &Path, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "Give the user who runs hythe write access to it, or choose another"
        }
        _ if path.exists() && !path.is_dir() => "It is not a folder: choose another",
        _ => "Choose another",
    }
}
