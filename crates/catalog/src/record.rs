//! Records: what a catalog knows, one fact at a time, so that another catalog can be built from them.

use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

use crate::Origin;

/// One fact about the registry's content. A record replaces an earlier one about the same thing, so to apply a record
/// twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// A repository and its provenance.
    Repository {
        /// The name.
        name: RepositoryName,
        /// The origin of its content.
        origin: Origin,
        /// Whether some of its content was fetched with credentials.
        private: bool,
    },
    /// A manifest of a repository. Subject, annotations and references follow from its bytes.
    Manifest {
        /// The repository.
        repository: RepositoryName,
        /// The origin of the repository's content: the repository's own record may be lost.
        origin: Origin,
        /// Whether some of the repository's content was fetched with credentials.
        private: bool,
        /// The digest.
        digest: Digest,
        /// The media type with which the manifest was pushed.
        media_type: String,
        /// When it was pushed last.
        pushed: i64,
        /// The exact bytes; those of a damaged manifest have another digest.
        #[serde(with = "text")]
        bytes: Bytes,
    },
    /// A blob that a repository has.
    Link {
        /// The repository.
        repository: RepositoryName,
        /// The digest of the blob.
        digest: Digest,
        /// The size of the blob, in bytes.
        size: u64,
    },
    /// A tag of a repository.
    Tag {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        name: Tag,
        /// The manifest that the tag names.
        digest: Digest,
        /// When the tag was set last.
        updated: i64,
    },
    /// A repository no longer has this manifest. The tags that named it have records of their own.
    ManifestDeleted {
        /// The repository.
        repository: RepositoryName,
        /// The digest.
        digest: Digest,
    },
    /// A repository no longer has this blob.
    LinkDeleted {
        /// The repository.
        repository: RepositoryName,
        /// The digest.
        digest: Digest,
    },
    /// A repository no longer has this tag.
    TagDeleted {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        name: Tag,
    },
    /// A whole tree of another registry was imported.
    Import {
        /// The tree.
        source: String,
        /// When the import ended.
        finished: i64,
    },
}

/// Bytes of JSON as a text. Bytes that are not UTF-8 belong to no manifest; they become a text with another digest.
mod text {
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        String::deserialize(deserializer).map(Bytes::from)
    }
}
