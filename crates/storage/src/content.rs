//! The bytes of a blob.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

use crate::Result;

/// An open blob, whose bytes never change.
#[async_trait::async_trait]
pub trait Content: fmt::Debug + Send + Sync {
    /// The size in bytes, as the back end finds it.
    fn size(&self) -> u64;

    /// Reads `length` bytes from `offset` on. An error if the back end does not have all of them.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes>;

    /// Whether the bytes can still be read after the blob's removal, for as long as this is open. Otherwise a read is an
    /// error then.
    fn outlives_removal(&self) -> bool;

    /// The file that holds the bytes, for callers that can give a file to the kernel; `None` if the back end has no
    /// files.
    fn file(&self) -> Option<&Arc<File>> {
        None
    }
}
