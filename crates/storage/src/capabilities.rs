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

/// Makes URLs by which clients read blobs from the store itself.
#[async_trait::async_trait]
pub trait Presign: Send + Sync {
    /// A URL of a blob that anybody can read for as long as it is valid.
    async fn presign(&self, key: &BlobKey, valid: Duration) -> Result<String>;
}
