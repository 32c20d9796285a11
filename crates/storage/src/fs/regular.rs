//! Opens a path that should be a regular file of this storage.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// The regular file at `path`, opened by `options`, and its size. `None` if there is no regular file: if somebody put a
/// pipe, a device, a folder or a symbolic link in its place, this neither waits for it nor follows it.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<Option<(File, u64)>> {
    // Without the first flag, opening a pipe waits for a process at its other end.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = match options.custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if is_none(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    Ok(found.is_file().then_some((file, found.len())))
}

/// Whether an open failed because there is no regular file.
fn is_none(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::IsADirectory];
    // The errors for a symbolic link, for a socket or a pipe without a reader, and for a device without a driver.
    let codes = [Errno::LOOP, Errno::MLINK, Errno::NXIO, Errno::NODEV];
    let code = error.raw_os_error();
    kinds.contains(&error.kind()) || codes.iter().any(|none| Some(none.raw_os_error()) == code)
}
