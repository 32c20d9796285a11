//! Images of copies, in the order in which they are evicted.

use hythe_oci::{Digest, RepositoryName, Tag};

/// An image of a copy: a manifest that no other manifest lists and that refers to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedImage {
    pub(crate) id: i64,
    /// The copy.
    pub repository: RepositoryName,
    /// The digest of the manifest.
    pub digest: Digest,
    /// A tag that names the manifest; `None` if no tag does.
    pub tag: Option<Tag>,
    /// When a client last used the manifest, or a manifest that it lists.
    pub last_use: i64,
}
