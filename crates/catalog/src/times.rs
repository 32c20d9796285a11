//! When manifests were pushed, used and pulled. All times are milliseconds since the Unix epoch.

use hythe_oci::{Reference, RepositoryName};

/// When a manifest was pushed, used and pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The last push.
    pub pushed: i64,
    /// The last push, or the last HEAD request that found the manifest: the client may be about to push an index of it, so
    /// garbage collection counts its grace period from here.
    pub last_use: i64,
    /// The last recorded pull of the manifest's bytes.
    pub pulled: Option<i64>,
    /// The last recorded pull by the tag with which the manifest was looked up; `None` for a lookup by digest.
    pub tag_pulled: Option<i64>,
}

/// A pull to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The repository.
    pub repository: RepositoryName,
    /// What the client asked for.
    pub reference: Reference,
    /// Whether the client received the manifest's bytes. By HEAD a client learns only the tag's digest: containerd does that
    /// before it pulls by digest.
    pub of_bytes: bool,
    /// The time of the pull.
    pub at: i64,
}
