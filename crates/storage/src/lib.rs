//! Bytes by key: immutable blobs, and the growing files of upload sessions.
//!
//! A back end knows nothing of repositories, tags or links; what is live is the catalog's to say. One contract
//! suite (`tests/contract.rs`) runs on each back end.

mod error;
mod files;
mod fs;
mod memory;
mod mount;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::{Digest, UploadId};

pub use error::{Error, OpenError, Result};
pub use files::most_open_files;
pub use fs::{FsStorage, Reserve, check_data_folder};
pub use memory::MemoryStorage;

/// What uploads should write at a time, in bytes.
pub const WRITE: usize = 512 << 10;

/// What block devices may ask the memory of a direct write to be aligned to, in bytes.
pub const ALIGN: usize = 4096;

/// When uploads are written past the page cache, which costs less, but makes the first pull read from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direct {
    /// On a disk that is found to be fast.
    Auto,
    /// On each that takes such writes.
    Always,
    /// On none.
    Never,
}

/// Names the bytes of one blob. The *generation* is the id of the upload that brought them: a collector removes
/// only the generation that it marked, never a later one of the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey {
    /// What the bytes hash to.
    pub digest: Digest,
    /// The upload that brought them.
    pub generation: UploadId,
}

/// The bytes of a blob, ready to be read at any offset.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file that nobody writes any more; it stays readable after its removal.
    File {
        /// Open for reading.
        file: Arc<File>,
        /// In bytes, as the file system says.
        size: u64,
    },
    /// All of it.
    Memory(Bytes),
}

impl Content {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }
}

/// An upload whose bytes are another file's.
pub struct Adopted {
    /// The upload.
    pub upload: Arc<dyn Upload>,
    /// In bytes.
    pub size: u64,
    /// Whether the two share their bytes on the disk; else they were copied.
    pub linked: bool,
}

/// Where bytes are kept.
#[async_trait::async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Opens an upload to be continued at `offset`; what is stored beyond is cut off. At 0 it is begun where it is
    /// not there. [`Error::UploadLost`] where fewer bytes are there.
    async fn open_upload(&self, id: UploadId, offset: u64) -> Result<Arc<dyn Upload>>;

    /// Begins an upload with the bytes of a file of somebody else's, which is not changed, neither now nor by what is
    /// done with the upload: it is to be read, synced and published, not written. The inner error is the file's.
    async fn adopt_upload(&self, id: UploadId, file: &Path) -> Result<io::Result<Adopted>>;

    /// Makes a finished and synced upload the blob `digest` of generation `id`; durable when it returns.
    /// Doing it again is no error.
    async fn publish(&self, id: UploadId, digest: &Digest) -> Result<()>;

    /// Makes what an interrupted end already published an upload again, if it is there.
    async fn unpublish(&self, id: UploadId, digest: &Digest) -> Result<()>;

    /// Forgets an upload and its bytes, if there is one.
    async fn remove_upload(&self, id: UploadId) -> Result<()>;

    /// The uploads that have bytes here.
    async fn uploads(&self) -> Result<Vec<UploadId>>;

    /// Opens a blob, or `None` where it is not here. Called on async threads: an open of a file, nothing longer.
    fn open_blob(&self, key: &BlobKey) -> Result<Option<Content>>;

    /// Forgets a blob, if it is here; those who have it open read on.
    async fn remove_blob(&self, key: &BlobKey) -> Result<()>;

    /// Whether a byte can be written now, for readiness.
    async fn probe(&self) -> Result<()>;
}

/// An open upload. One writer at a time; that is its opener's to see to.
#[async_trait::async_trait]
pub trait Upload: Send + Sync {
    /// Writes `chunks`, one after the other, from `offset` on. Cheapest where each is [`WRITE`] bytes that lie at a
    /// multiple of [`ALIGN`] in memory, and `offset` is a multiple of [`WRITE`]. Blocking, so that whoever has more can
    /// go on at once, without a change of threads between two writes.
    fn write(&self, offset: u64, chunks: &[Bytes]) -> Result<()>;

    /// Returns when all that was written is durable. May run beside writes, which it then need not cover.
    async fn sync(&self) -> Result<()>;

    /// Whether most of it went past the page cache: then to make it durable costs little, and to read it back costs as much
    /// as to read any file of the disk.
    fn is_direct(&self) -> bool;

    /// The file to read from what was written, where it is one. Else there is [`read`](Self::read).
    fn file(&self) -> Option<Arc<File>>;

    /// Up to `length` bytes from `offset` on; fewer only at the end.
    async fn read(&self, offset: u64, length: usize) -> Result<Bytes>;
}
