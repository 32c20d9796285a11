//! What one step of garbage collection removed, and what clients may rely on.

use hythe_oci::Digest;

use crate::Lease;

/// The link after which the collector continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCursor {
    pub(crate) repository: i64,
    pub(crate) digest: Digest,
}

/// What one step removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Links.
    pub links: u64,
    /// Blobs that had no other link; their files are now doomed.
    pub blobs: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// The lease that kept local blobs from being removed, if one did.
    pub held: Option<Lease>,
    /// Where the next step begins; `None` if this was the last.
    pub next: Option<LinkCursor>,
}

/// What clients may rely on: blobs that were used, and manifests that were pushed, at `since` or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Milliseconds since the Unix epoch.
    pub since: i64,
    /// The current time.
    pub now: i64,
}

impl Promise {
    /// The time of the note of a removal. A client may use content after the collection has begun, and relies on it for as
    /// long as any other; so the note is not older than the last use.
    pub(crate) fn noted(&self, last_use: i64) -> i64 {
        self.now.max(last_use)
    }
}
