//! Deleted content that can be restored: manifests, and what tags named before they were moved or removed.

use hythe_oci::{Digest, RepositoryName, Tag};

/// Why a manifest was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A client deleted it.
    Client,
    /// No tag, index or subject led to it, and garbage collection was asked to delete such manifests.
    Untagged,
    /// A retention rule selected it.
    Retention,
}

impl Cause {
    /// The word for it in the catalog and on hythe's pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Untagged => "untagged",
            Self::Retention => "retention",
        }
    }

    /// The cause with this word. A word that a later version wrote counts as a client's deletion.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "untagged" => Self::Untagged,
            "retention" => Self::Retention,
            _ => Self::Client,
        }
    }
}

/// When and why a manifest is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// The current time.
    pub at: i64,
    /// Why the manifest is deleted.
    pub cause: Cause,
}

/// A deleted manifest that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedManifest {
    /// The number of the deletion: a later one has a higher number.
    pub id: i64,
    /// The repository from which the manifest was deleted.
    pub repository: RepositoryName,
    /// The digest.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The size of the manifest and of its blobs, in bytes. Other images may share these blobs.
    pub bytes: u64,
    /// The first of the tags that were removed with the manifest, in bytewise order.
    pub tags: Vec<Tag>,
    /// How many tags were removed with the manifest.
    pub tag_count: u64,
    /// When the manifest was deleted.
    pub at: i64,
    /// Why the manifest was deleted.
    pub cause: Cause,
}

/// How much deleted content can be restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletedTotal {
    /// Deleted manifests.
    pub manifests: u64,
    /// Blobs that only deleted manifests reference.
    pub blobs: u64,
    /// The size of these blobs, in bytes.
    pub bytes: u64,
    /// When the last of these manifests was deleted; `None` if there are none.
    pub last: Option<i64>,
}

/// Which former meanings of tags to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastTags {
    /// The last manifest of each tag that was removed without its manifest and that names nothing now: in one repository,
    /// or in all.
    Removed(Option<RepositoryName>),
    /// All former manifests of the tags of one repository, or of one of its tags.
    History(RepositoryName, Option<Tag>),
}

/// A manifest that a tag named before. The manifest still exists, or is deleted and can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTag {
    /// The number of the change: a later one has a higher number.
    pub id: i64,
    /// The repository.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// The manifest that the tag named.
    pub digest: Digest,
    /// When the tag was last set to this manifest.
    pub since: i64,
    /// When the tag was moved to another manifest, or removed.
    pub until: i64,
    /// The manifest that the tag names now; `None` if it names none.
    pub current: Option<Digest>,
    /// Whether the manifest is deleted: then it is restored with the tag.
    pub is_deleted: bool,
}

/// What one step removed for good of content that could have been restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Deleted manifests.
    pub manifests: u64,
    /// Links of their blobs.
    pub links: u64,
    /// Blobs that had no other link; their files are now doomed.
    pub blobs: u64,
    /// Bytes of those files.
    pub bytes: u64,
}

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many manifests: the one that was asked for, those that it lists, and those whose subject is among them.
    pub manifests: u64,
    /// The tags that were set again.
    pub tags: Vec<Tag>,
    /// The tags that name another manifest by now, and that manifest. They were left alone.
    pub taken: Vec<(Tag, Digest)>,
    /// Blobs and manifests that the manifest references and that the repository does not have: a hundred at most.
    pub missing: Vec<Digest>,
}

/// The outcome of restoring a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoredTag {
    /// The tag names this manifest again.
    Restored(Digest, Restored),
    /// The tag exists and names this manifest. Nothing was changed, because the caller named no manifest to move it to.
    Exists(Digest),
    /// The tag was not removed within the grace period, or its manifest is gone for good.
    Unknown,
}
