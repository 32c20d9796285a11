//! What retention rules read of a repository. All times are milliseconds since the Unix epoch.

use hythe_oci::{Digest, RepositoryName, Tag};

/// A manifest of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgedManifest {
    /// The digest.
    pub digest: Digest,
    /// The manifest's subject, whether or not the repository has it.
    pub subject: Option<Digest>,
    /// The last push; 0 if its time is unknown.
    pub pushed: i64,
    /// The last push or HEAD.
    pub last_use: i64,
    /// The last of: the last use, the last recorded pull, and the time when a tag last moved to another manifest.
    pub needed: i64,
}

/// A tag of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgedTag {
    /// The tag.
    pub tag: Tag,
    /// The manifest that the tag names.
    pub digest: Digest,
    /// The last push of the tag; 0 if its time is unknown.
    pub pushed: i64,
    /// The last recorded pull by the tag.
    pub pulled: Option<i64>,
}

/// A manifest that lists another one, which its repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The listed manifest.
    pub listed: Digest,
    /// The manifest that lists it: an index.
    pub index: Digest,
    /// The index's row, for the next page.
    pub(crate) row: i64,
}

/// Tags and manifests that retention removes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRemoval {
    /// The repository.
    pub repository: RepositoryName,
    /// The tags, each with the manifest that it named and the time of its push when retention decided.
    pub tags: Vec<(Tag, Digest, i64)>,
    /// The manifests, an owner before what belongs to it, each with the time when it was last needed when retention decided.
    pub manifests: Vec<(Digest, i64)>,
}
