//! The pages of deleted content that can be restored.

use hythe_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use crate::Restorable;

/// A page of deleted manifests, the latest deletion first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedManifests {
    /// The manifests of this page.
    pub manifests: Vec<DeletedManifest>,
    /// The value of [`LAST`](crate::parameter::LAST) for the next page; `None` on the last page.
    pub next: Option<String>,
    /// How much deleted content there is in all repositories; only on the first page.
    pub total: Option<Restorable>,
}

/// A deleted manifest that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedManifest {
    /// The repository from which the manifest was deleted.
    pub repository: RepositoryName,
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The size of the manifest and its blobs, in bytes.
    pub bytes: u64,
    /// The first 100 of the tags that were removed with the manifest.
    pub tags: Vec<Tag>,
    /// How many tags were removed with the manifest.
    pub tag_count: u64,
    /// When the manifest was deleted, in RFC 3339's format.
    pub deleted: Option<String>,
    /// Who deleted the manifest: `client`, `untagged` (garbage collection on request) or `retention`.
    pub cause: String,
    /// Until when the manifest can be restored, in RFC 3339's format.
    pub until: Option<String>,
}

/// A page of what tags named before, the latest change first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTags {
    /// The changes of this page.
    pub tags: Vec<PastTag>,
    /// The value of [`LAST`](crate::parameter::LAST) for the next page; `None` on the last page.
    pub next: Option<String>,
}

/// A manifest that a tag named before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastTag {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// The manifest that the tag named.
    pub digest: Digest,
    /// When the tag was last set to this manifest, in RFC 3339's format.
    pub set: Option<String>,
    /// When the tag was moved or removed, in RFC 3339's format.
    pub changed: Option<String>,
    /// The manifest that the tag names now; `None` if the tag was removed.
    pub current: Option<Digest>,
    /// Whether the manifest is deleted: it is restored with the tag.
    pub is_deleted: bool,
    /// Until when the registry remembers this, in RFC 3339's format.
    pub until: Option<String>,
}

/// What became of a manifest or tag that was to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is here again.
    Restored,
    /// It exists. A tag may name another manifest than before.
    Exists,
    /// It was not deleted within the grace period, or is gone for good.
    Unknown,
}

/// The result of restoring a manifest or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// What became of it.
    pub outcome: Outcome,
    /// The manifest that was restored, or that the tag names now.
    pub digest: Option<Digest>,
    /// How many deleted manifests were restored: also those that the manifest lists, and those that refer to it.
    pub manifests: u64,
    /// The tags that were set again.
    pub tags: Vec<Tag>,
    /// The tags that name another manifest by now, and were left alone.
    pub taken: Vec<TakenTag>,
    /// Blobs and manifests that the manifest references and that its repository does not have: a hundred at most.
    pub missing: Vec<Digest>,
}

/// A tag that names another manifest by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenTag {
    /// The tag.
    pub tag: Tag,
    /// The manifest that the tag names.
    pub digest: Digest,
}
