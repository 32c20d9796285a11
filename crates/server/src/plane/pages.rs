//! Which stretches of a file are in memory, and how to bring them there: for files that the kernel sends.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

/// Whether the first and the last page of a stretch are in memory; the pages between were most likely read with them.
/// True also if the file system cannot say it, or if the probe fails otherwise: the read that follows meets the same
/// error.
pub(super) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};

    let probe = |at| {
        let read = preadv2(file, &mut [IoSliceMut::new(&mut [0])], at, ReadWriteFlags::NOWAIT);
        read != Err(Errno::AGAIN)
    };
    probe(offset) && (length < 2 || probe(offset + length - 1))
}

/// Brings `length` bytes into the page cache. Blocks. Ignores errors: the read that follows meets them.
///
/// Sends the bytes to `/dev/null`, which copies nothing. For such a reader the kernel reads ahead in large folios.
/// `posix_fadvise` would bring single pages, and each later send of them would cost a third more.
pub(super) fn bring(file: &File, mut offset: u64, length: u64) {
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
