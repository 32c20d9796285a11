//! A blob's file, open for reading.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::blocking;
use crate::{Content, Error, Result};

/// A file that is never written again.
#[derive(Debug)]
pub(super) struct FileContent {
    file: Arc<File>,
    size: u64,
    path: PathBuf,
}

impl FileContent {
    pub(super) fn new(file: File, size: u64, path: PathBuf) -> Self {
        Self { file: Arc::new(file), size, path }
    }
}

#[async_trait::async_trait]
impl Content for FileContent {
    fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are in memory are copied on the async thread; a blocking thread reads others.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        if let Some(bytes) = read_if_resident(&self.file, offset, length) {
            return Ok(bytes);
        }
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        blocking(move || {
            let mut bytes = vec![0; length];
            let read = file.read_exact_at(&mut bytes, offset);
            read.map_err(|error| Error::io("cannot read", &path, error))?;
            Ok(bytes.into())
        })
        .await
    }

    fn outlives_removal(&self) -> bool {
        true
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }
}

/// Reads `length` bytes at `offset`; `None` unless all of them are in memory. If the file system cannot say whether
/// they are, reads them from the disk.
#[cfg(target_os = "linux")]
fn read_if_resident(file: &File, offset: u64, length: usize) -> Option<Bytes> {
    use std::io::IoSliceMut;

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut bytes = vec![0; length];
    let read = match preadv2(file, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.read_at(&mut bytes, offset).ok(),
        read => read.ok(),
    };
    // If only a part is in memory, or if the read failed, the blocking read reads again, and meets the same error.
    (read == Some(length)).then(|| bytes.into())
}

#[cfg(not(target_os = "linux"))]
fn read_if_resident(_file: &File, _offset: u64, _length: usize) -> Option<Bytes> {
    None
}
