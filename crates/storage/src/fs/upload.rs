//! The file of an upload session.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Buf, Bytes};

use super::blocking;
use super::direct::{self, Buffers};
use crate::{Error, Result, Upload};

#[derive(Debug)]
struct Inner {
    file: File,
    path: PathBuf,
    /// The same file for direct writes, opened at the first one.
    direct: OnceLock<Option<File>>,
    /// Set when a direct write was refused.
    indirect: AtomicBool,
    buffers: Arc<Buffers>,
}

/// An upload's file, open for writing.
#[derive(Debug)]
pub(super) struct FileUpload(Arc<Inner>);

impl FileUpload {
    pub(super) fn new(file: File, path: PathBuf, buffers: Arc<Buffers>) -> Self {
        let (direct, indirect) = (OnceLock::new(), AtomicBool::new(false));
        Self(Arc::new(Inner { file, path, direct, indirect, buffers }))
    }
}

impl Inner {
    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + '_ {
        move |error| Error::io(action, &self.path, error)
    }

    /// True where the chunks were written past the page cache.
    fn write_directly(&self, offset: u64, chunks: &[Bytes], length: u64) -> Result<bool> {
        if !direct::fits(offset, length) || self.indirect.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let Some(file) = self.direct.get_or_init(|| direct::open(&self.path)) else { return Ok(false) };
        let written =
            direct::write(file, offset, chunks, &self.buffers).map_err(self.error("cannot write"))?;
        self.indirect.store(!written, Ordering::Relaxed);
        Ok(written)
    }

    fn write(&self, mut offset: u64, mut chunks: Vec<Bytes>) -> Result<()> {
        use std::os::fd::AsFd;

        let mut left: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if self.write_directly(offset, &chunks, left)? {
            return Ok(());
        }
        let mut first = 0;
        while left > 0 {
            let slices: Vec<IoSlice<'_>> =
                chunks[first..].iter().take(512).map(|c| IoSlice::new(c)).collect();
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
