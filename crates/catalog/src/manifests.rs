//! Manifests, and what a push of one stores.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName, Tag};

use crate::{Origin, Times};

/// The properties of a manifest that a HEAD request answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The media type with which the manifest was pushed.
    pub media_type: String,
    /// The length in bytes.
    pub size: u64,
    /// When the manifest was pushed, used and pulled.
    pub times: Times,
}

/// A manifest to store. The caller has already parsed and verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestPush {
    /// The repository that stores the manifest.
    pub repository: RepositoryName,
    /// The origin of that repository's content.
    pub origin: Origin,
    /// Whether the manifest was fetched with credentials.
    pub private: bool,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// The media type of the manifest.
    pub media_type: String,
    /// The exact bytes that were pushed.
    pub bytes: Bytes,
    /// The artifact type, by which clients filter referrers.
    pub artifact_type: Option<String>,
    /// The annotations, as a JSON object.
    pub annotations: Option<String>,
    /// The manifest's subject, whether or not that manifest exists.
    pub subject: Option<Digest>,
    /// The blobs that the manifest references.
    pub blobs: Vec<Digest>,
    /// Whether the push is refused if the repository lacks one of those blobs.
    pub require_blobs: bool,
    /// The manifests that the manifest references, whether or not they exist.
    pub manifests: Vec<Digest>,
    /// The tags to set to the manifest.
    pub tags: Vec<Tag>,
    /// Those of `tags` that may not move: if one of them names another manifest, the push is refused.
    pub protected: Vec<Tag>,
    /// When the tags were pushed: now, or earlier for what is imported; 0 if the time is unknown.
    pub tagged: i64,
    /// The current time.
    pub now: i64,
}

/// The outcome of a manifest push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestPushed {
    /// The manifest is stored and tagged.
    Stored {
        /// The blobs that the repository lacks, if they were not required.
        missing: Vec<Digest>,
    },
    /// The repository lacks these digests: they are required blobs, or garbage collection removed them within the grace
    /// period. Nothing was stored.
    BlobsUnknown(Vec<Digest>),
    /// This tag is protected, and names another manifest. Nothing was stored.
    TagProtected(Tag),
}

/// Says which tags of a repository may not be deleted.
pub type Protects = Arc<dyn Fn(&Tag) -> bool + Send + Sync>;

/// The outcome of the deletion of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestDeleted {
    /// The manifest is deleted.
    Deleted,
    /// The repository does not have the manifest.
    Unknown,
    /// This tag is protected, and names the manifest or an index that lists it. The manifest was not deleted.
    Protected(Tag),
}

impl ManifestPush {
    /// Every digest that the manifest references, each once, and whether it is one of `blobs`.
    pub(crate) fn named(&self) -> Vec<(Digest, bool)> {
        let mut seen = HashSet::with_capacity(self.blobs.len() + self.manifests.len());
        let blobs = self.blobs.iter().map(|digest| (*digest, true));
        let manifests = self.manifests.iter().map(|digest| (*digest, false));
        blobs.chain(manifests).filter(|(digest, _)| seen.insert(*digest)).collect()
    }

    /// The digests for whose absence the push is refused, if it is: required blobs that the repository lacks, or
    /// content that garbage collection removed although the client may have been told that it is here.
    pub(crate) fn lacking(&self, unknown: &[Digest], freed: &[Digest]) -> Option<Vec<Digest>> {
        if self.require_blobs && !unknown.is_empty() {
            return Some(unknown.to_vec());
        }
        // The registry fetches the blobs of a copy when a client pulls them.
        Some(freed).filter(|freed| !freed.is_empty() && self.origin == Origin::Local).map(<[Digest]>::to_vec)
    }
}
