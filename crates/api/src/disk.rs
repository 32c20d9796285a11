//! The page of the disk budget.

use hythe_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use crate::RunningIn;

/// The disk budget and its use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// How much the registry stores: blobs, uploads, and the catalog.
    pub stored_bytes: u64,
    /// How much it may store before it removes cached images; `None` without a budget.
    pub budget_bytes: Option<u64>,
    /// The size of the file system; `None` if the blobs are on none.
    pub size_bytes: Option<u64>,
    /// How much of the file system is free.
    pub free_bytes: Option<u64>,
    /// How much of the file system should stay free.
    pub floor_bytes: Option<u64>,
    /// Whether pushes are refused for want of room.
    pub refuses_pushes: bool,
    /// The clusters whose images the registry keeps.
    pub running: Vec<RunningIn>,
    /// The cached images that were used least recently: the registry removes them first.
    pub next: Vec<EvictedNext>,
}

/// A cached image that the registry removes when it needs room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvictedNext {
    /// The copy's name in this registry.
    pub repository: RepositoryName,
    /// A tag of the image; `None` if it has none.
    pub tag: Option<Tag>,
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// The size of its blobs that are stored, in bytes. Other images may share them.
    pub bytes: u64,
    /// When a client last pulled the image, in RFC 3339's format; `None` if the time cannot be written so.
    pub last_use: Option<String>,
}
