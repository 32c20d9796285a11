//! Files and folders that a command cannot use.

use std::io;
use std::path::PathBuf;

/// Why a command cannot use a file or a folder of this machine.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder does not exist.
    #[error("the folder {} does not exist", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The registry's data folder does not exist.
    #[error(
        "the data folder {0} does not exist: mount the disk that it is on, or start with an empty folder: \
         `hythe up --data {0}`", .folder.display()
    )]
    DataMissing {
        /// The folder.
        folder: PathBuf,
    },
    /// No variable says where the file is.
    #[error("cannot find the folder of the client's configuration: set HOME")]
    NoHome,
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file or a folder cannot be written.
    #[error("{} cannot be written: {error}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A client's configuration file cannot be written.
    #[error("{} cannot be written: {error}{}", .path.display(), sudo(.error))]
    WriteClient {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Standard input cannot be read, or kept.
    #[error("stdin cannot be read: {0}")]
    Stdin(io::Error),
    /// A temporary file cannot be written or read.
    #[error("a temporary file cannot be used: {0}. Choose a folder with room by TMPDIR")]
    Temporary(io::Error),
    /// Standard output cannot be written.
    #[error("stdout cannot be written: {0}")]
    Stdout(io::Error),
    /// A folder cannot be given to the user that the server runs as.
    #[error(
        "cannot give {} to user {user}: {error}. Run the command as root, with the capabilities CHOWN and \
         DAC_READ_SEARCH", .folder.display()
    )]
    Give {
        /// The folder.
        folder: PathBuf,
        /// The user.
        user: u32,
        /// The system's error.
        error: io::Error,
    },
    /// A registry's data cannot be deleted.
    #[error("cannot delete hythe's data in {}: {error}", .folder.display())]
    Delete {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Logins cannot be stored where the server reads them.
    #[error("cannot store logins in {}: {error}", .folder.display())]
    Logins {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

fn sudo(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied {
        "; run the command with sudo, or add --dry-run to see what it would write"
    } else {
        ""
    }
}
