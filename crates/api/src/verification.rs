//! The page that verifies stored content.

use hythe_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

/// What one slice of a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedSlice {
    /// How many blobs the slice verified.
    pub blobs: u64,
    /// How many manifests the slice verified.
    pub manifests: u64,
    /// The size of these together, in bytes.
    pub bytes: u64,
    /// What was wrong.
    pub damages: Vec<Damage>,
    /// The parameter `after` of the next slice; `None` if everything is verified.
    pub next: Option<String>,
    /// How much there is to verify in all; only in the first slice.
    pub total: Option<Total>,
}

/// How much there is to verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// The number of blobs.
    pub blobs: u64,
    /// The size of the blobs, in bytes.
    pub bytes: u64,
}

/// A blob or a manifest that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// `blob` or `manifest`.
    pub kind: String,
    /// The digest that it should have.
    pub digest: Digest,
    /// `missing`, `size`, `digest`, `unreadable` or `lacks`.
    pub flaw: String,
    /// The flaw in words.
    pub message: String,
    /// The images that cannot be pulled as a whole because of it: a hundred at most.
    pub images: Vec<DamagedImage>,
}

/// An image that needs something that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedImage {
    /// The repository.
    pub repository: RepositoryName,
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// A tag of the image; `None` if it has none.
    pub tag: Option<Tag>,
}

impl DamagedImage {
    /// The image's name within its registry.
    pub fn name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}@{}", self.repository, self.digest),
        }
    }
}
