//! Counts of unused content.

/// A number of blobs and their total size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The number of blobs.
    pub blobs: u64,
    /// Their total size in bytes.
    pub bytes: u64,
}

/// The blobs that no manifest references in any repository that has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// The blobs whose grace period is over: garbage collection removes them.
    pub due: Amount,
    /// The blobs that wait for the end of their grace period.
    pub waiting: Amount,
    /// The last use of the waiting blob that was used most recently: the last one to be due.
    pub last_use: Option<i64>,
}

/// The manifests that were pushed here and that no tag, index or subject leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untagged {
    /// The manifests whose grace period is over.
    pub due: u64,
    /// The manifests that wait for the end of their grace period.
    pub waiting: u64,
    /// When the waiting manifest that was used most recently was used: the last one to be due.
    pub last_use: Option<i64>,
}
