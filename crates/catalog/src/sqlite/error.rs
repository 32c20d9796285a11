//! SQLite's errors, as the catalog's.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_FSYNC, SQLITE_IOERR_SHMSIZE};

use crate::{Error, OpenError};

/// The error of a read or a write.
pub(crate) fn failed(error: &rusqlite::Error) -> Error {
    match error {
        error if is_full(error) => Error::NoSpace,
        rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == SQLITE_IOERR_FSYNC => {
            Error::log_lost()
        }
        error if is_damage(error) => Error::Damaged { path: PathBuf::new(), reason: error.to_string() },
        error => Error::Unavailable(error.to_string()),
    }
}

/// The error of an attempt to open the file at `path`.
pub(crate) fn not_opened(path: PathBuf, error: &rusqlite::Error) -> OpenError {
    let reason = error.to_string();
    match error {
        error if is_full(error) => OpenError::NoSpace { path },
        error if is_damage(error) => OpenError::Damaged { path, reason },
        _ => OpenError::Other { path, reason },
    }
}

/// Whether the file is no database, or a damaged one.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

/// Whether the disk is full. SQLite turns a write's ENOSPC into `SQLITE_FULL`. Only the shared-memory index reports an
/// I/O error of its own if it cannot grow, which happens for lack of room.
pub(crate) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|e| e.extended_code == SQLITE_IOERR_SHMSIZE)
}
