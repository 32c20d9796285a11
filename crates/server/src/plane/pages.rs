//! Reads files with regard to the page cache: what is in memory is read at once.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

use bytes::Bytes;

/// Reads `length` bytes at `offset`; an error if the file is shorter. Blocks.
pub(super) fn read(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

/// Reads without waiting for a disk: the number of bytes read, or `None` if the read would have to wait.
#[cfg(target_os = "linux")]
fn read_now(file: &File, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    match preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Some(Ok(read)),
        Err(Errno::AGAIN) => None,
        // The file system does not support `RWF_NOWAIT`: reads plainly.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Some(file.read_at(buffer, offset)),
        Err(error) => Some(Err(error.into())),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_now(_file: &File, _offset: u64, _buffer: &mut [u8]) -> Option<io::Result<usize>> {
    None
}

/// Reads `length` bytes at `offset`; `None` unless all of them are in memory.
pub(super) fn read_if_resident(file: &File, offset: u64, length: usize) -> Option<Bytes> {
    let mut bytes = vec![0; length];
    match read_now(file, offset, &mut bytes) {
        Some(Ok(read)) if read == length => Some(bytes.into()),
        // Only a part is in memory, or the read failed; the blocking read will meet the same error.
        _ => None,
    }
}

/// Whether the first and the last page of a stretch are in memory; the pages between were most likely read with them.
/// True also if the probe fails otherwise: the read that follows meets the same error.
#[cfg(target_os = "linux")]
pub(super) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    let probe = |at| read_now(file, at, &mut [0]).is_some();
    probe(offset) && (length < 2 || probe(offset + length - 1))
}

/// Brings `length` bytes into the page cache. Blocks. Ignores errors: the read that follows meets them.
///
/// Sends the bytes to `/dev/null`, which copies nothing. For such a reader the kernel reads ahead in large folios.
/// `posix_fadvise` would bring single pages, and each later send of them would cost a third more.
#[cfg(target_os = "linux")]
pub(super) fn bring(file: &File, mut offset: u64, length: u64) {
    use rustix::io::Errno;

    /// The bytes that a file system reads at once, at least: reading one byte brings all of them.
    const STRIDE: u64 = 64 << 10;

    let end = offset + length;
    if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
        while offset < end {
            let left = (end - offset) as usize;
            match rustix::fs::sendfile(&nowhere, file, Some(&mut offset), left) {
                Ok(0) => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
    while offset < end {
        if !matches!(file.read_at(&mut [0], offset), Ok(1)) {
            return;
        }
        offset += STRIDE.min((end - offset).max(2) - 1);
    }
}
