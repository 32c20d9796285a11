//! The file of an upload session.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::blocking;
use super::direct;
use super::pace::Pace;
use super::reserve::Reserve;
use crate::{Error, Owner, Result, Upload, WRITE, Writes};

#[derive(Debug)]
struct Inner {
    owner: Owner,
    file: Arc<File>,
    path: PathBuf,
    /// The same file, opened for direct writes at the first one.
    direct: OnceLock<Option<File>>,
    /// Whether the file system refused the last direct write: then later writes go through the page cache.
    indirect: AtomicBool,
    /// Whether the last direct write succeeded.
    is_direct: AtomicBool,
    /// The speed of the file's disk.
    pace: Arc<Pace>,
    /// The reserve of the same disk: while its room is given up, no upload may take room.
    reserve: Arc<Reserve>,
}

/// An upload's file, open for writing.
#[derive(Debug)]
pub(super) struct FileUpload(Arc<Inner>);

impl FileUpload {
    pub(super) fn new(
        owner: Owner,
        file: File,
        path: PathBuf,
        pace: Arc<Pace>,
        reserve: Arc<Reserve>,
    ) -> Self {
        let (direct, indirect, is_direct) = (OnceLock::new(), AtomicBool::new(false), AtomicBool::new(false));
        let file = Arc::new(file);
        Self(Arc::new(Inner { owner, file, path, direct, indirect, is_direct, pace, reserve }))
    }
}

impl Inner {
    fn error(&self, action: &'static str) -> impl FnOnce(io::Error) -> Error + '_ {
        move |error| Error::io(action, &self.path, error)
    }

    /// Writes the first of `chunks` directly; returns how many. On a disk that is not fast, it writes none directly: a
    /// push waits for such a disk anyway, not for a core, and the page cache keeps the bytes for which the first pull
    /// would wait.
    fn write_directly(&self, offset: u64, chunks: &[Bytes]) -> Result<usize> {
        let fitting = direct::fitting(offset, chunks);
        if fitting == 0 || self.indirect.load(Ordering::Relaxed) || !self.pace.is_fast() {
            return Ok(0);
        }
        let Some(file) = self.direct.get_or_init(|| direct::open(&self.path).ok()) else { return Ok(0) };
        let written = direct::write(file, offset, &chunks[..fitting]).map_err(self.error("cannot write"))?;
        self.indirect.store(!written, Ordering::Relaxed);
        self.is_direct.store(written, Ordering::Relaxed);
        Ok(if written { fitting } else { 0 })
    }

    fn write(&self, mut offset: u64, chunks: &[Bytes]) -> Result<()> {
        use std::os::unix::fs::FileExt;

        let _entered = self.owner.enter()?;
        if !self.reserve.take_back() {
            return Err(Error::NoSpace { path: self.path.clone() });
        }
        let (direct, rest) = chunks.split_at(self.write_directly(offset, chunks)?);
        offset += (direct.len() * WRITE) as u64;
        for chunk in rest {
            self.file.write_all_at(chunk, offset).map_err(self.error("cannot write"))?;
            offset += chunk.len() as u64;
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
    async fn write_all(&self, writes: Writes) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            for write in writes {
                inner.write(write.offset, &write.chunks)?;
            }
            Ok(())
        })
        .await
    }

    async fn sync(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.file.sync_data().map_err(inner.error("cannot sync"))).await
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.read(offset, length)).await
    }

    /// Bytes that were written directly bypassed the page cache, and their sync has little to do.
    fn reads_back_cheaply(&self) -> bool {
        !self.0.is_direct.load(Ordering::Relaxed)
    }

    fn file(&self) -> Option<Arc<File>> {
        Some(Arc::clone(&self.0.file))
    }
}
