//! Why a folder cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a folder cannot be the data folder of this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created or written.
    #[error(
        "the data folder {} cannot be used: {action}: {source}. {} with --data FOLDER (or HYTHE_DATA)",
        path.display(), remedy(.path, .source)
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// The operation that failed.
        action: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Another process serves the folder.
    #[error(
        "another hythe{} already serves the data folder {}. \
         Stop that process, or give this one its own folder with --data FOLDER",
        .owner.as_deref().map(|pid| format!(" (process {pid})")).unwrap_or_default(), path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process id of the other server, if it could be read.
        owner: Option<String>,
    },
    /// A later version of hythe wrote the folder.
    #[error(
        "the data folder {} has format {found}, but this hythe knows formats up to {known}: a newer version wrote it. \
         Start that version again, or give this one another folder with --data FOLDER",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The format of the folder.
        found: String,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The file that holds the folder's format does not hold a number.
    #[error(
        "{} is damaged: it should hold the number of the data folder's format, but it holds {found}. If only this \
         file was changed, write `1` into it; otherwise restore the folder from a backup, or choose another with \
         --data FOLDER",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The content of the file.
        found: String,
    },
    /// The folder belongs to the operating system.
    #[error(
        "{} is a folder of the operating system, but the registry needs a data folder of its own. Choose one with \
         --data FOLDER, for example /var/lib/hythe",
        path.display()
    )]
    System {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is on a network file system, where locks and the catalog are not safe.
    #[error(
        "the data folder {} is on a network file system ({kind}), where file locks and SQLite cannot be trusted \
         and data would be lost. Choose a folder on a local disk with --data FOLDER",
        path.display()
    )]
    NetworkFileSystem {
        /// The folder.
        path: PathBuf,
        /// The type of the file system, as the mount table spells it.
        kind: String,
    },
}

/// What the user can do about a folder that cannot be used. The caller adds the flag that names another folder.
fn remedy(path: &Path, source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "Give the user who runs hythe write access to it, or choose another"
        }
        _ if path.exists() && !path.is_dir() => "It is not a folder: choose another",
        _ => "Choose another",
    }
}
