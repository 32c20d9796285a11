//! Direct writes, which bypass the page cache.
//!
//! A blob is written once and must be on the disk before it is acknowledged. A direct write needs no copy into fresh
//! pages, and leaves nothing for the final sync to wait for. On a fast disk, whole aligned chunks are written directly;
//! the rest of a file goes through the page cache, and so does everything on file systems without direct writes.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

use bytes::Bytes;
#[cfg(target_os = "linux")]
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::WRITE;

/// The alignment of memory that block devices may require for a direct write, in bytes.
pub const ALIGN: usize = 4096;

/// When uploads bypass the page cache. Such direct writes cost less, but the first pull of the blob then reads from the
/// disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// On a disk that a measurement finds to be fast.
    Auto,
    /// On each disk that supports direct writes.
    Always,
    /// On no disk.
    Never,
}

#[cfg(target_os = "linux")]
fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    File::options().write(true).custom_flags((OFlags::DIRECT | flags).bits().cast_signed()).open(path)
}

/// The file at `path`, opened for direct writes, if the operating system and the file system support them.
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

/// A file without a name in `folder`, opened for direct writes. The system removes it when it is closed, also by a
/// kill.
#[cfg(target_os = "linux")]
pub(super) fn open_nameless(folder: &Path) -> io::Result<File> {
    open_with(folder, OFlags::TMPFILE)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_path: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_nameless(_folder: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How many of the first `chunks` can be written directly at `offset`, one after the other.
pub(super) fn fitting(offset: u64, chunks: &[Bytes]) -> usize {
    let fits = |chunk: &&Bytes| chunk.len() == WRITE && chunk.as_ptr().align_offset(ALIGN) == 0;
    if offset.is_multiple_of(WRITE as u64) { chunks.iter().take_while(fits).count() } else { 0 }
}

/// Writes `chunks`, which are [`fitting`], at `offset`. False if this file cannot be written directly; some of the
/// chunks may have been written then.
pub(super) fn write(file: &File, mut offset: u64, chunks: &[Bytes]) -> io::Result<bool> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match rustix::io::pwritev(file, left, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
            Err(Errno::INTR) => {}
            // Some file systems accept the open and refuse the write. Or an earlier call wrote a part that left the
            // rest unaligned.
            Err(Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
