//! Adoption: begins an upload with the bytes of a file outside of this storage.

use std::fs::File;
use std::io;
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

/// Begins the upload of `owner`, at `path`, with the bytes of `source`.
pub(super) fn adopt(
    source: &Path,
    owner: Owner,
    path: PathBuf,
    pace: Arc<Pace>,
    reserve: Arc<Reserve>,
) -> Result<io::Result<Adopted>> {
    let (mut bytes, found) = match open(source) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let entered = owner.enter()?;
    remove_if_there(&path)?;
    // A hard link to a symbolic link would be that link itself, whose relative target does not exist from here.
    let linked = found.is_file() && std::fs::hard_link(source, &path).is_ok();
    // The system refuses a hard link if the source is on another file system or on one without hard links, or if it
    // belongs to another user.
    if !linked {
        let mut copy = File::create(&path).map_err(|error| Error::io("cannot create", &path, error))?;
        io::copy(&mut bytes, &mut copy).map_err(|error| Error::io("cannot copy to", &path, error))?;
    }
    let file = File::open(&path).map_err(|error| Error::io("cannot open", &path, error))?;
    let size = file.metadata().map_err(|error| Error::io("cannot read the size of", &path, error))?.len();
    drop(entered);
    Ok(Ok(Adopted { upload: Arc::new(FileUpload::new(owner, file, path, pace, reserve)), size, linked }))
}

fn open(source: &Path) -> io::Result<(File, std::fs::Metadata)> {
    // The type is checked before the open: opening a pipe would wait for a process at its other end.
    if !source.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok((File::open(source)?, source.symlink_metadata()?))
}
