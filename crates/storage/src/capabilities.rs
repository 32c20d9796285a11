//! What some back ends can do beside the rule. A caller that finds a capability missing has another way.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hythe_oci::UploadId;

use crate::{BlobKey, Owner, Result, Upload};

/// An upload that shares its bytes with a file outside of the storage.
pub struct Adopted {
    /// The upload.
    pub upload: Arc<dyn Upload>,
    /// The size in bytes.
    pub size: u64,
}

/// Adopts files of the machine without a copy of their bytes.
#[async_trait::async_trait]
pub trait Adopt: Send + Sync {
    /// Begins an upload with the bytes of a file outside of the storage. Neither this call nor a later operation on the
    /// upload changes that file, so the caller may read, sync and publish the upload, but must not write to it. `None`
    /// if the upload and the file cannot share their bytes, or if the file cannot be read; then the caller may begin
    /// the upload anew and copy the bytes.
    async fn adopt(&self, owner: &Owner, file: &Path) -> Result<Option<Adopted>>;
}

/// Lists what the storage has, to find what a crash left.
#[async_trait::async_trait]
pub trait ListUploads: Send + Sync {
    /// The uploads that have bytes, or that were begun.
    async fn uploads(&self) -> Result<Vec<UploadId>>;
}

/// A blob that the storage has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its key.
    pub key: BlobKey,
    /// Its size in bytes.
    pub size: u64,
}

/// Lists the blobs, to find those that no row of a catalog names.
#[async_trait::async_trait]
pub trait ListBlobs: Send + Sync {
    /// The blobs whose hash begins with this byte, sorted by digest and then by generation. Does not list those in
    /// quarantine.
    async fn blobs(&self, first: u8) -> Result<Vec<StoredBlob>>;
}

/// Sorts a list of blobs.
pub(crate) fn sorted(mut blobs: Vec<StoredBlob>) -> Vec<StoredBlob> {
    blobs.sort_unstable_by_key(|blob| (blob.key.digest, blob.key.generation));
    blobs
}

/// The room of the volume that holds the blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The size of the volume, in bytes.
    pub size: u64,
    /// How many bytes this process may still use of it.
    pub free: u64,
}

/// Measures the volume that holds the blobs, for a back end that has one.
pub trait Volume: Send + Sync {
    /// The room of the volume now: it changes when other programs write, and when the volume grows.
    fn room(&self) -> Result<Room>;
}

/// Makes URLs by which clients read blobs from the store itself.
#[async_trait::async_trait]
pub trait Presign: Send + Sync {
    /// A URL of a blob that anybody can read for as long as it is valid.
    async fn presign(&self, key: &BlobKey, valid: Duration) -> Result<String>;
}
