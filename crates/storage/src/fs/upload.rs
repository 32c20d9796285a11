//! The file of an upload session.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};

use super::blocking;
use crate::{Error, Result, Upload};

/// How far ahead of the writes space is set aside: enough that the file system can allocate in one piece, little
/// enough that a client that announces much and sends nothing holds no disk.
const AHEAD: u64 = 64 << 20;

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    /// The size that the client announced, or 0.
    expected: AtomicU64,
    /// Space is set aside up to here.
    reserved: AtomicU64,
}

/// An upload's file, open for writing.
#[derive(Debug)]
pub(super) struct FileUpload(Arc<Inner>);

impl FileUpload {
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self(Arc::new(Inner { file, path, expected: AtomicU64::new(0), reserved: AtomicU64::new(0) }))
    }
}

impl Inner {
    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + '_ {
        move |error| Error::io(action, &self.path, error)
    }

    /// Sets space aside for the writes to come. A refusal is not an error: the write itself will say it.
    #[cfg(target_os = "linux")]
    fn reserve(&self, offset: u64, length: u64) {
        use rustix::fs::{FallocateFlags, fallocate};

        let expected = self.expected.load(Ordering::Relaxed);
        let reserved = self.reserved.load(Ordering::Relaxed).max(offset);
        if expected <= reserved || offset + length <= reserved {
            return;
        }
        let until = expected.min(offset + length.max(AHEAD));
        if until > reserved {
            let _ = fallocate(&self.file, FallocateFlags::KEEP_SIZE, reserved, until - reserved);
            self.reserved.store(until, Ordering::Relaxed);
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _offset: u64, _length: u64) {}

    fn write(&self, mut offset: u64, mut chunks: Vec<Bytes>) -> Result<()> {
        use std::os::fd::AsFd;

        let mut left: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        self.reserve(offset, left);
        let mut first = 0;
        while left > 0 {
            let slices: Vec<IoSlice<'_>> = chunks[first..].iter().take(512).map(|c| IoSlice::new(c)).collect();
            let mut written = match rustix::io::pwritev(self.file.as_fd(), &slices, offset) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => return Err(self.error("cannot write")(io::ErrorKind::WriteZero.into())),
                other => other.map_err(|e| self.error("cannot write")(e.into()))?,
            };
            offset += written as u64;
            left -= written as u64;
            while written > 0 {
                let step = written.min(chunks[first].len());
                chunks[first].advance(step);
                written -= step;
                first += usize::from(chunks[first].is_empty());
            }
        }
        Ok(())
    }

    fn read(&self, mut offset: u64, length: usize) -> Result<Bytes> {
        use std::os::unix::fs::FileExt;

        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut bytes[filled..], offset) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("cannot read")(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }
}

#[async_trait::async_trait]
impl Upload for FileUpload {
    fn expect(&self, size: u64) {
        self.0.expected.store(size, Ordering::Relaxed);
    }

    async fn write(&self, offset: u64, chunks: Vec<Bytes>) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.write(offset, chunks)).await
    }

    async fn sync(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.file.sync_data().map_err(inner.error("cannot sync"))).await
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.read(offset, length)).await
    }
}
