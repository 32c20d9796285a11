//! What a verification reads: the live files, the bytes of manifests, and the images that lack something.

use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName, Tag};

/// A manifest with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// The number of its row.
    pub id: i64,
    /// Its repository.
    pub repository: RepositoryName,
    /// The digest under which it is stored.
    pub digest: Digest,
    /// Its bytes, which should have this digest.
    pub bytes: Bytes,
}

/// An image that needs some content: its manifest references the content, or lists a manifest that does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependant {
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub manifest: Digest,
    /// A tag that names the manifest; `None` if no tag does.
    pub tag: Option<Tag>,
}
