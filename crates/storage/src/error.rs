//! The errors of a storage back end.

use std::io;
use std::path::{Path, PathBuf};

use hythe_oci::UploadId;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation of a back end failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk is full, or a quota is used up. The back end keeps nothing half-written; the operation works again when
    /// there is space.
    #[error("no space is left for {}", path.display())]
    NoSpace {
        /// The file or object that was being written.
        path: PathBuf,
    },
    /// The upload has fewer bytes than it should already have.
    #[error("upload {id} has lost bytes: only {found} of {expected} are stored")]
    UploadLost {
        /// The upload.
        id: UploadId,
        /// How many bytes the upload should have.
        expected: u64,
        /// How many bytes are stored.
        found: u64,
    },
    /// The upload has a newer owner, or was removed. The operation changed nothing.
    #[error("another request took over upload {id}")]
    UploadTaken {
        /// The upload.
        id: UploadId,
    },
    /// The server is stopping: the operation was not started.
    #[error("the server is stopping, and did not start this work on its disk")]
    Stopping,
    /// Any other error of the operating system, or of the object store.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// The operation that failed.
        action: &'static str,
        /// The file, folder or object that the operation was for.
        path: PathBuf,
        /// The error itself.
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

    /// Whether the process, or the system, has reached its limit of open files: the operation works again when some
    /// files are closed.
    pub fn is_out_of_files(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        let codes = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
        codes.iter().any(|code| source.raw_os_error() == Some(code.raw_os_error()))
    }
}
