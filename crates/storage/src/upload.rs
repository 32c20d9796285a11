//! The growing bytes of an upload session.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::Result;

/// How many bytes a chunk should have: back ends write chunks of this size at the least cost.
pub const WRITE: usize = 512 << 10;

/// The next bytes of an upload.
#[derive(Debug)]
pub struct Write {
    /// The offset of the first byte: where the bytes end that the upload already has.
    pub offset: u64,
    /// The bytes, chunk by chunk. A write is cheapest if `offset` is a multiple of [`WRITE`], and if each chunk has
    /// [`WRITE`] bytes and begins at a page of memory.
    pub chunks: Vec<Bytes>,
}

/// Writes, one behind the other. The back end takes the next one when the one before is done and its chunks are
/// dropped, on the thread that wrote it, so `next` must not wait. By this, a caller that gets more bytes meanwhile adds
/// them without a change of threads, and learns how far the back end is.
pub type Writes = Box<dyn Iterator<Item = Write> + Send>;

/// An open upload. Its owner makes sure that it has one writer at a time.
#[async_trait::async_trait]
pub trait Upload: Send + Sync {
    /// Writes all of `writes`. After an error the upload must be opened again, at an offset that was flushed. Once the
    /// upload has a newer owner, returns [`Error::UploadTaken`](crate::Error::UploadTaken) and writes no more.
    async fn write_all(&self, writes: Writes) -> Result<()>;

    /// Writes `chunks` at `offset`, where the upload's bytes end.
    async fn write(&self, offset: u64, chunks: Vec<Bytes>) -> Result<()> {
        self.write_all(Box::new(std::iter::once(Write { offset, chunks }))).await
    }

    /// Returns when all earlier writes survive the end of this process. Those to a file always do.
    async fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Returns when all earlier writes are durable. May run beside other writes, which the sync then need not cover.
    async fn sync(&self) -> Result<()>;

    /// Reads up to `length` bytes from `offset` on; fewer only at the end.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes>;

    /// Whether reading the bytes back costs less than a sync: if they are still in memory. Not if they must come from a
    /// disk or from another machine again.
    fn reads_back_cheaply(&self) -> bool {
        true
    }

    /// The file from which the written bytes can be read, for callers that can give a file to the kernel; `None` if the
    /// back end has no files.
    fn file(&self) -> Option<Arc<File>> {
        None
    }
}
