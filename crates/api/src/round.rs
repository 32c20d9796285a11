//! The page that runs garbage collection.

use serde::{Deserialize, Serialize};

/// The result of a round of garbage collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Whether the round only counted what it would remove.
    pub dry_run: bool,
    /// How many untagged manifests the round deleted. They can be restored.
    pub manifests: u64,
    /// How many deleted manifests the round removed for good. A registry of an earlier version keeps none.
    #[serde(default)]
    pub purged: u64,
    /// How many expired uploads the round ended.
    pub uploads: u64,
    /// How many blobs the round removed.
    pub blobs: u64,
    /// The size of these blobs together, in bytes.
    pub bytes: u64,
    /// The unreferenced blobs that a lease kept; `None` if no lease kept any.
    #[serde(default)]
    pub held: Option<Held>,
    /// The unreferenced content that the round kept, because it was used within the grace period.
    pub waiting: Waiting,
    /// The deleted content that can still be restored.
    #[serde(default)]
    pub restorable: Restorable,
}

/// Deleted content that can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restorable {
    /// How many deleted manifests.
    pub manifests: u64,
    /// How many blobs only deleted manifests reference.
    pub blobs: u64,
    /// The size of these blobs together, in bytes.
    pub bytes: u64,
    /// When a round can remove the last of it, in RFC 3339's format; `None` if there is none.
    pub until: Option<String>,
}

/// Unreferenced local blobs that a lease keeps from being removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The lease's purpose, such as `backup`.
    pub purpose: String,
    /// The program that holds the lease.
    pub holder: String,
    /// When the lease ends unless it is renewed, in RFC 3339's format.
    pub until: Option<String>,
    /// How many blobs it keeps.
    pub blobs: u64,
    /// The size of these blobs together, in bytes.
    pub bytes: u64,
}

/// Unreferenced content whose grace period is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many manifests wait.
    pub manifests: u64,
    /// How many blobs wait.
    pub blobs: u64,
    /// The size of these blobs together, in bytes.
    pub bytes: u64,
    /// When a round can remove the last of them, in RFC 3339's format; `None` if nothing waits.
    pub until: Option<String>,
}

impl Waiting {
    /// Whether any content waits.
    pub fn is_some(&self) -> bool {
        self.manifests + self.blobs > 0
    }
}
