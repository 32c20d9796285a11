//! The page of the copies of upstreams' repositories.

use hythe_oci::{RepositoryName, Tag};
use serde::{Deserialize, Serialize};

/// A page of copies, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The copies of this page.
    pub copies: Vec<CopyEntry>,
    /// The value of [`LAST`](crate::parameter::LAST) for the next page; `None` on the last page.
    pub next: Option<RepositoryName>,
}

/// A copy of an upstream's repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyEntry {
    /// The copy's name in this registry.
    pub name: RepositoryName,
    /// The upstream's name.
    pub upstream: String,
    /// The first of the tags that the pattern selects.
    pub tags: Vec<Tag>,
    /// How many tags the pattern selects.
    pub tag_count: u64,
    /// How many manifests the copy has, tagged or not.
    pub manifests: u64,
    /// How many blobs the copy has. Another repository may have them too.
    pub blobs: u64,
    /// The size of these manifests and blobs together, in bytes.
    pub bytes: u64,
    /// When the registry last stored or kept content of the copy, in RFC 3339's format; `None` if the time cannot be
    /// written so.
    pub last_use: Option<String>,
}

/// The result of clearing copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// How many copies lost content.
    pub copies: u64,
    /// How many tags were removed.
    pub tags: u64,
    /// How many manifests were removed.
    pub manifests: u64,
    /// How many blobs were removed from the disk.
    pub blobs: u64,
    /// The size of these blobs together, in bytes.
    pub bytes: u64,
}
