//! Adoption: begins an upload that shares its bytes with a file outside of this storage.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pace::Pace;
use super::remove_if_there;
use super::reserve::Reserve;
use super::upload::FileUpload;
use crate::{Adopted, Error, Owner, Result};

/// Whether a file has another hard link: an adopted file, which belongs to somebody else under that other name.
pub(super) fn is_shared(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.nlink() > 1)
}

/// Begins the upload of `owner`, at `path`, as a hard link to `source`; `None` if `source` cannot be linked or read.
pub(super) fn adopt(
    source: &Path,
    owner: Owner,
    path: PathBuf,
    pace: Arc<Pace>,
    reserve: Arc<Reserve>,
) -> Result<Option<Adopted>> {
    // A hard link to a symbolic link would be that link itself, whose relative target does not exist from here. The type
    // is checked before the open: opening a pipe would wait for a process at its other end.
    let is_file = source.symlink_metadata().is_ok_and(|found| found.is_file());
    if !is_file || File::open(source).is_err() {
        return Ok(None);
    }
    let entered = owner.enter()?;
    remove_if_there(&path)?;
    // The system refuses a hard link if the source is on another file system or on one without hard links, or if it
    // belongs to another user.
    if std::fs::hard_link(source, &path).is_err() {
        return Ok(None);
    }
    let file = File::open(&path).map_err(|error| Error::io("cannot open", &path, error))?;
    let size = file.metadata().map_err(|error| Error::io("cannot read the size of", &path, error))?.len();
    drop(entered);
    Ok(Some(Adopted { upload: Arc::new(FileUpload::new(owner, file, path, pace, reserve)), size }))
}
