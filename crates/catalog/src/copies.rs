//! Copies: the repositories whose content comes from an upstream.

use std::ops::AddAssign;

use hythe_oci::{RepositoryName, Tag};

use crate::Provenance;

/// A copy, and how much of its upstream's content it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySummary {
    /// The name of the copy in this registry.
    pub name: RepositoryName,
    /// The provenance of the content.
    pub provenance: Provenance,
    /// The first of the tags that the pattern selects, in bytewise order.
    pub tags: Vec<Tag>,
    /// How many tags the pattern selects.
    pub tag_count: u64,
    /// Manifests, tagged or not.
    pub manifests: u64,
    /// Blobs, which other repositories may have too.
    pub blobs: u64,
    /// Total size of those manifests and blobs, in bytes.
    pub bytes: u64,
    /// When a client last used any content of the copy.
    pub last_use: i64,
}

/// How much was cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Copies from which content was removed.
    pub copies: u64,
    /// Tags.
    pub tags: u64,
    /// Manifests.
    pub manifests: u64,
    /// Blobs that no other repository has; their files are now doomed.
    pub blobs: u64,
    /// Total size of those manifests and blobs, in bytes.
    pub bytes: u64,
}

impl AddAssign for Cleared {
    fn add_assign(&mut self, other: Self) {
        self.copies += other.copies;
        self.tags += other.tags;
        self.manifests += other.manifests;
        self.blobs += other.blobs;
        self.bytes += other.bytes;
    }
}
