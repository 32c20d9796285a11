//! How much the catalog holds.

/// How much the catalog holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repositories that hold a manifest.
    pub repositories: u64,
    /// Manifests; a manifest in two repositories counts twice.
    pub manifests: u64,
    /// Tags.
    pub tags: u64,
    /// Blobs; a blob in two repositories counts once.
    pub blobs: u64,
    /// Bytes of those blobs.
    pub bytes: u64,
    /// Upload sessions.
    pub uploads: u64,
}
