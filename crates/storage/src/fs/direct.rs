//! Writing past the page cache.
//!
//! A blob is written once, must be on the disk before it is acknowledged, and is often larger than what the page
//! cache should hold for it. Written directly it costs one copy within a core's cache instead of one into fresh
//! pages, and the final sync has nothing left to wait for. Whole aligned stretches go this way; the rest of a file,
//! and file systems that cannot do it, go through the page cache as ever.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::WRITE;

/// What block devices and memory may ask a direct write to be aligned to.
const ALIGN: usize = 4096;

/// How many buffers are kept: as many as writes usually run at once.
const KEEP: usize = 4;

/// Aligned memory for direct writes, reused so that its pages stay warm.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; WRITE + ALIGN])
    }

    fn give_back(&self, buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEEP {
            kept.push(buffer);
        }
    }
}

/// The file at `path` opened for direct writes, where the system and its file system have such a thing.
#[cfg(target_os = "linux")]
pub(super) fn open(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    File::options().write(true).custom_flags(flags).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_path: &Path) -> Option<File> {
    None
}

/// Whether a write is one that can go directly.
pub(super) fn fits(offset: u64, length: u64) -> bool {
    length == WRITE as u64 && offset.is_multiple_of(WRITE as u64)
}

/// Writes `chunks`, together [`WRITE`] bytes, at `offset`. False where this file cannot be written directly.
pub(super) fn write(file: &File, offset: u64, chunks: &[Bytes], buffers: &Buffers) -> io::Result<bool> {
    let mut buffer = buffers.take();
    let start = buffer.as_ptr().align_offset(ALIGN);
    // `align_offset` may answer that it does not know; then the slice is not there, and nothing is written.
    let Some(aligned) = buffer.get_mut(start..start.saturating_add(WRITE)) else { return Ok(false) };
    let mut at = 0;
    for chunk in chunks {
        aligned[at..at + chunk.len()].copy_from_slice(chunk);
        at += chunk.len();
    }
    let result = file.write_all_at(aligned, offset);
    buffers.give_back(buffer);
    match result {
        // Opened, but refused at the write: some file systems say it only now.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
        other => other.map(|()| true),
    }
}
