//! What a catalog that was built anew holds, and what it lacks.

use hythe_oci::{Digest, RepositoryName};

/// What a catalog that was built anew holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Repositories that clients pushed to.
    pub repositories: u64,
    /// Repositories that are copies of an upstream's.
    pub copies: u64,
    /// Manifests.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub bytes: u64,
    /// Tags whose manifest is not known.
    pub dangling: u64,
    /// Links to blobs that have no file, or a file of another size.
    pub lost: u64,
    /// The pushed images that lack one of these blobs, at most a thousand.
    pub incomplete: Vec<Incomplete>,
    /// Files of blobs that no repository has.
    pub unlinked: u64,
    /// Bytes of these files.
    pub unlinked_bytes: u64,
}

/// A pushed image whose repository had a blob of it that has no file now. A manifest counts once for each of its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub manifest: Digest,
    /// The tag, if the manifest has one.
    pub tag: Option<String>,
    /// The blob.
    pub blob: Digest,
}
