//! The places that images come from and go to.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use hythe_oci::{Descriptor, Digest, Reference, RepositoryName, Tag};
use tokio::io::AsyncRead;

use crate::error::Result;
use crate::manifest::Manifest;

/// The bytes of a blob as they arrive.
pub type Bytestream = Pin<Box<dyn AsyncRead + Send>>;

/// Told how many bytes of a blob moved.
pub type Moved = Arc<dyn Fn(u64) + Send + Sync>;

/// A place to read images from: one repository of a registry, a layout, or an archive.
#[async_trait]
pub trait Source: Send + Sync {
    /// The place as messages name it.
    fn place(&self) -> &str;

    /// The digest that a reference names, without the manifest's bytes where that is cheaper.
    async fn resolve(&self, reference: &Reference) -> Result<Digest>;

    /// The manifest that a reference names. Its bytes have the digest, if the reference is one.
    async fn manifest(&self, reference: &Reference) -> Result<Manifest>;

    /// The bytes of a blob from an offset on. The caller verifies them.
    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream>;

    /// Whether the place has a blob.
    async fn has(&self, blob: &Descriptor) -> Result<bool>;

    /// The manifests whose subject is this digest.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>>;

    /// The tags, sorted.
    async fn tags(&self) -> Result<Vec<Tag>>;

    /// The registry's endpoint and the repository, if the place is one: another repository of that registry can mount
    /// its blobs.
    fn repository(&self) -> Option<(&str, &RepositoryName)> {
        None
    }
}

/// How a blob came to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// The target had it.
    Existing,
    /// The registry took it from another of its repositories.
    Mounted,
    /// Its bytes were moved.
    Moved,
}

/// A place to write images to.
#[async_trait]
pub trait Target: Send + Sync {
    /// The place as messages name it.
    fn place(&self) -> &str;

    /// The digest of the manifest that the target has under a reference; `None` if it has none.
    async fn find(&self, reference: &Reference) -> Result<Option<Digest>>;

    /// The manifest with this digest; `None` if the target does not have it, or cannot be read yet.
    async fn read(&self, digest: &Digest) -> Result<Option<Manifest>>;

    /// Whether the target has a blob.
    async fn has_blob(&self, blob: &Descriptor) -> Result<bool>;

    /// Brings a blob from the source, unless the target has it.
    async fn put_blob(&self, blob: &Descriptor, source: Arc<dyn Source>, moved: Moved) -> Result<Brought>;

    /// Stores a manifest, whose blobs and manifests are there, and sets tags to it. Lists it among the referrers of its
    /// subject, if it has one.
    async fn put_manifest(&self, manifest: &Manifest, tags: &[Tag]) -> Result<()>;

    /// Completes the target. Until then, a target that is one file is not visible under its name.
    async fn finish(&self) -> Result<()> {
        Ok(())
    }
}
