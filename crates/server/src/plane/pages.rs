//! Reading files with regard to what is in memory already.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;

use bytes::Bytes;

/// `length` bytes at `offset`; an error where the file is shorter. Blocking.
pub(super) fn read(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

/// Reads a byte without waiting for a disk: `Some` how many came, `None` where it would have to wait.
#[cfg(target_os = "linux")]
fn read_now(file: &File, offset: u64, buffer: &mut [u8]) -> Option<io::Result<usize>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    match preadv2(file, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
        Ok(read) => Some(Ok(read)),
        Err(Errno::AGAIN) => None,
        // A file system that cannot say is read the plain way.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Some(file.read_at(buffer, offset)),
        Err(error) => Some(Err(error.into())),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_now(_file: &File, _offset: u64, _buffer: &mut [u8]) -> Option<io::Result<usize>> {
    None
}

/// `length` bytes at `offset` if all of them are in memory.
pub(super) fn read_if_resident(file: &File, offset: u64, length: usize) -> Option<Bytes> {
    let mut bytes = vec![0; length];
    match read_now(file, offset, &mut bytes) {
        Some(Ok(read)) if read == length => Some(bytes.into()),
        // Part of it, or an error, which the blocking read will meet again.
        _ => None,
    }
}

/// Whether the first and the last page of a stretch are in memory; those between were most likely read with them.
/// True also where something else is wrong: whoever reads meets it.
#[cfg(target_os = "linux")]
pub(super) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    let probe = |at| read_now(file, at, &mut [0]).is_some();
    probe(offset) && (length < 2 || probe(offset + length - 1))
}

/// Brings `length` bytes into memory. Blocking; errors are left to whoever reads.
///
/// The bytes are sent to nowhere, which costs no copy. The kernel reads ahead of such a reader in large folios; what
/// `posix_fadvise` brings comes page by page, and each later send of it would cost a third more.
#[cfg(target_os = "linux")]
pub(super) fn bring(file: &File, mut offset: u64, length: u64) {
    use rustix::io::Errno;

    /// The file system reads at least so much at once: one byte tells of all of them.
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
