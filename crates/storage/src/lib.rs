//! Bytes by key: immutable blobs, and the growing files of upload sessions.
//!
//! A back end knows nothing of repositories, tags or links; the catalog decides which blobs are live. One contract
//! suite (`tests/contract.rs`) runs on each back end. Nothing above this crate asks which back end it has: bytes are
//! written in order and read by ranges, and what only some back ends can do is a capability, which may be missing.

mod capabilities;
mod content;
mod error;
mod fence;
mod files;
pub mod fs;
mod log;
mod memory;
pub mod objects;
mod upload;

use std::fmt;
use std::sync::Arc;

use hythe_oci::{Digest, UploadId};

pub use capabilities::{Adopt, Adopted, ListBlobs, ListUploads, Presign, Room, StoredBlob, Volume};
pub use content::Content;
pub use error::{Error, Result};
pub use fence::{Fence, Owner};
pub use files::most_open_files;
pub use fs::FsStorage;
pub use log::{Base, Log, Segment, SegmentKind};
pub use memory::MemoryStorage;
pub use objects::ObjectStorage;
pub use upload::{Upload, WRITE, Write, Writes};

/// Names the bytes of one blob. The *generation* is the id of the upload that stored the bytes: the collector removes
/// only the generation that it marked, never a later one of the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The upload that stored the bytes.
    pub generation: UploadId,
}

/// A back end, which stores bytes.
#[async_trait::async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// The fence of an upload, whether the upload exists or not.
    ///
    /// Each operation that takes an [`Owner`] fences earlier owners off: they can no longer write to the upload, open
    /// it, publish it or turn it back, and get [`Error::UploadTaken`]. A change that an earlier owner has begun is
    /// complete when the newer owner's operation begins.
    ///
    /// A fence is known to one process only. A back end that several processes share must also make sure that what an
    /// earlier owner still writes does not change what a newer owner reads.
    fn fence(&self, id: UploadId) -> Fence;

    /// Opens an upload to continue it at `offset`, and cuts off the bytes that are stored beyond. At offset 0, begins
    /// the upload if it does not exist. Returns [`Error::UploadLost`] if fewer than `offset` bytes are stored: an
    /// offset that was flushed can be opened, in another process too.
    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>>;

    /// Makes a finished and synced upload the blob `digest`, whose generation is the upload's id. The blob is durable
    /// when this returns. An upload that is open can still be read. To publish an upload again is no error.
    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()>;

    /// Turns a published blob back into an upload, if the blob exists. For an upload whose end was interrupted after it
    /// was published.
    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()>;

    /// Removes what is left of the upload that became a blob, once the catalog records the blob: then nobody turns it
    /// back. A rename leaves nothing.
    async fn finish_upload(&self, blob: &BlobKey) -> Result<()> {
        let _ = blob;
        Ok(())
    }

    /// Removes an upload and its bytes, if it exists, and fences all its owners off.
    async fn remove_upload(&self, id: UploadId) -> Result<()>;

    /// Opens a blob; `None` if it does not exist.
    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>>;

    /// Removes a blob, if it exists. Readers that have it open can still read it if it [outlives its
    /// removal](Content::outlives_removal).
    async fn remove_blob(&self, key: &BlobKey) -> Result<()>;

    /// Removes blobs, one after the other. Returns an outcome for each, in their order, or fewer if the server stops: then the
    /// last one is an error, and the rest is not removed.
    async fn remove_blobs(&self, keys: &[BlobKey]) -> Vec<Result<()>> {
        let mut outcomes = Vec::with_capacity(keys.len());
        for key in keys {
            outcomes.push(self.remove_blob(key).await);
        }
        outcomes
    }

    /// Takes a blob whose bytes are damaged out of service, if it exists: from now on it cannot be opened. The back end may
    /// keep the bytes for a look at them, until the blob is removed.
    async fn quarantine_blob(&self, key: &BlobKey) -> Result<()> {
        self.remove_blob(key).await
    }

    /// Checks for readiness that the storage can write now.
    async fn probe(&self) -> Result<()>;

    /// Adopts files without a copy, if the back end can link them.
    fn adoption(&self) -> Option<&dyn Adopt> {
        None
    }

    /// Lists uploads, if the back end can do that without reading all that it has.
    fn listing(&self) -> Option<&dyn ListUploads> {
        None
    }

    /// Lists blobs, if the back end can do that without reading all that it has.
    fn blobs(&self) -> Option<&dyn ListBlobs> {
        None
    }

    /// Measures the volume, if the blobs are on one of a known size.
    fn volume(&self) -> Option<&dyn Volume> {
        None
    }

    /// The log beside the blobs, if the back end has one.
    fn log(&self) -> Option<Arc<dyn Log>> {
        None
    }

    /// Makes URLs of blobs, if clients can reach the store.
    fn presigning(&self) -> Option<&dyn Presign> {
        None
    }
}
