//! Bytes by key: immutable blobs, and the growing files of upload sessions.
//!
//! A back end knows nothing of repositories, tags or links; the catalog decides which blobs are live. One contract
//! suite (`tests/contract.rs`) runs on each back end.

mod content;
mod error;
mod fence;
mod files;
mod fs;
mod memory;
mod mount;
mod upload;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hythe_oci::{Digest, UploadId};

pub use content::Content;
pub use error::{Error, OpenError, Result};
pub use fence::{Fence, Owner};
pub use files::most_open_files;
pub use fs::{FsStorage, Reserve, check_data_folder};
pub use memory::MemoryStorage;
pub use upload::{Upload, WRITE, Write, Writes};

/// The alignment of memory that block devices may require for a direct write, in bytes.
pub const ALIGN: usize = 4096;

/// When uploads bypass the page cache. Such direct writes cost less, but the first pull of the blob then reads from the
/// disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// On a disk that a measurement finds to be fast.
    Auto,
    /// On each disk that supports direct writes.
    Always,
    /// On no disk.
    Never,
}

/// Names the bytes of one blob. The *generation* is the id of the upload that stored the bytes: the collector removes
/// only the generation that it marked, never a later one of the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The upload that stored the bytes.
    pub generation: UploadId,
}

/// An upload whose bytes come from a file outside of this storage.
pub struct Adopted {
    /// The upload.
    pub upload: Arc<dyn Upload>,
    /// The size in bytes.
    pub size: u64,
    /// Whether the upload and the file share their bytes on the disk; otherwise the bytes were copied.
    pub linked: bool,
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
    /// the upload if it does not exist. Returns [`Error::UploadLost`] if fewer than `offset` bytes are stored.
    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>>;

    /// Begins an upload with the bytes of a file outside of this storage. Neither this call nor a later operation on
    /// the upload changes that file, so the caller may read, sync and publish the upload, but must not write to it. The
    /// inner error is about that file.
    async fn adopt_upload(&self, owner: &Owner, file: &Path) -> Result<io::Result<Adopted>>;

    /// Makes a finished and synced upload the blob `digest`, whose generation is the upload's id. The blob is durable
    /// when this returns. To publish an upload again is no error.
    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()>;

    /// Turns a published blob back into an upload, if the blob exists. For an upload whose end was interrupted after it
    /// was published.
    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()>;

    /// Removes an upload and its bytes, if it exists, and fences all its owners off.
    async fn remove_upload(&self, id: UploadId) -> Result<()>;

    /// The uploads that have bytes in this storage.
    async fn uploads(&self) -> Result<Vec<UploadId>>;

    /// Opens a blob; `None` if it does not exist.
    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>>;

    /// Removes a blob, if it exists. Readers that have the blob open can still read it.
    async fn remove_blob(&self, key: &BlobKey) -> Result<()>;

    /// Checks for readiness that the storage can write now.
    async fn probe(&self) -> Result<()>;
}
