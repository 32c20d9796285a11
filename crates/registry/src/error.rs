//! The errors of a registry.

use std::io;

use hythe_catalog::Origin;
use hythe_oci::{Digest, ManifestError, Reference, RepositoryName, Tag, UploadId};

use crate::Full;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was refused or failed. Each kind has one status and one code on the wire (`server`, `reject`).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository has no content: none was ever pushed, or all of it was removed.
    #[error("repository `{0}` is not known to this registry")]
    NameUnknown(RepositoryName),
    /// The repository does not hold the blob, even if another repository does.
    #[error("blob {digest} is not in repository `{repository}`")]
    BlobUnknown {
        /// The repository.
        repository: RepositoryName,
        /// The blob's digest.
        digest: Digest,
    },
    /// The repository does not hold the manifest.
    #[error("manifest `{reference}` is not in repository `{repository}`")]
    ManifestUnknown {
        /// The repository.
        repository: RepositoryName,
        /// The tag or digest.
        reference: Reference,
    },
    /// The upload session does not exist, or has ended.
    #[error("upload {0} is not known: it was finished, cancelled, or has expired; start a new one")]
    UploadUnknown(UploadId),
    /// The bytes have another digest than the client named. An upload session stays as it was before the request.
    #[error("the content has digest {actual}, not the expected {expected}; it was not stored")]
    DigestMismatch {
        /// The digest that the client named.
        expected: Digest,
        /// The digest of the bytes that it sent.
        actual: Digest,
    },
    /// The manifest is malformed or not supported.
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    /// The manifest is larger than this registry accepts.
    #[error("the manifest is larger than the limit of {limit} bytes")]
    ManifestTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The manifest references content that the repository does not hold, or no longer holds: garbage collection with a
    /// shorter grace period may have removed that content while the client pushed the manifest.
    #[error(
        "the manifest references {} blob(s) or manifest(s) that repository `{repository}` does not have; the first is {}. \
         Push them, then push the manifest again",
        digests.len(), digests[0]
    )]
    ManifestBlobsUnknown {
        /// The repository that should hold the content.
        repository: RepositoryName,
        /// The missing digests; at least one.
        digests: Vec<Digest>,
    },
    /// A chunk does not begin where the last chunk ended. The session can be continued.
    #[error("the chunk starts at byte {start}, but the upload continues at byte {offset}")]
    ChunkOutOfOrder {
        /// The offset at which the chunk starts, in bytes.
        start: u64,
        /// The offset at which the upload continues, in bytes.
        offset: u64,
        /// The session.
        id: UploadId,
    },
    /// A chunk is longer or shorter than its range says. None of its bytes were kept.
    #[error("the chunk's range is {expected} bytes long, but its body has {actual}")]
    ChunkLength {
        /// The length by its range, in bytes.
        expected: u64,
        /// The length by its body, in bytes; the body may have more.
        actual: u64,
    },
    /// Another request continued or cancelled the same session, here or in another process. The session has the bytes of
    /// this request that were saved until then.
    #[error("another request took over upload {0}; ask for its offset and continue from there")]
    UploadTakenOver(UploadId),
    /// The registry already receives as many uploads as the limit allows.
    #[error("{limit} uploads are in progress, the limit of upload.max-concurrent; try again in a moment")]
    TooManyUploads {
        /// The limit.
        limit: usize,
    },
    /// The tag names another manifest, and the client may not move tags.
    #[error(
        "tag `{tag}` of repository `{repository}` exists, and no rule lets this client move it to another manifest (action \
         `retag`). Push under another tag"
    )]
    TagTaken {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
    },
    /// The tag may neither move nor be deleted.
    #[error(
        "tag `{tag}` of repository `{repository}` is protected by the rule {rule}, so {refused}. Push under another tag, or \
         change the rule's `protect`"
    )]
    TagProtected {
        /// The repository.
        repository: RepositoryName,
        /// The tag.
        tag: Tag,
        /// The rule's name.
        rule: String,
        /// What the request may not do, as a clause.
        refused: &'static str,
    },
    /// Deletion is switched off.
    #[error("deleting is switched off on this registry (delete.enabled = false)")]
    DeleteDisabled,
    /// The disk or quota is full. Pulls go on; pushes work again when there is space.
    #[error(
        "the registry's disk is full ({0}); nothing of this request was kept. Free space, then push again"
    )]
    NoSpace(String),
    /// The registry has no room for a push: it is over its budget, or the volume has less free space than its floor, and
    /// no cached content is left that may be removed. Pulls go on.
    #[error(
        "{0}. See what takes space with `hythe du`; delete images and run `hythe gc --grace 0s`; then push again"
    )]
    OverBudget(Full),
    /// The client's body ended early. The upload can be continued behind the bytes that came.
    #[error("could not receive the whole body of the request: {0}")]
    Body(io::Error),
    /// The repository exists, but its content has another origin than the request expects: it is a copy of an
    /// upstream's repository, or was pushed here.
    #[error(
        "repository `{repository}` holds {}, so it cannot also hold content of another origin",
        held(origin)
    )]
    OtherOrigin {
        /// The repository.
        repository: RepositoryName,
        /// The origin of its content.
        origin: Origin,
    },
    /// The registry itself failed; the request is not at fault.
    #[error("{0}")]
    Internal(String),
}

fn held(origin: &Origin) -> String {
    match origin {
        Origin::Local => "content that was pushed to this registry".to_owned(),
        Origin::Upstream(name) => format!("a copy of a repository of the upstream {name}"),
    }
}

impl From<hythe_catalog::Error> for Error {
    fn from(error: hythe_catalog::Error) -> Self {
        match error {
            hythe_catalog::Error::OtherOrigin { repository, origin } => {
                Self::OtherOrigin { repository, origin }
            }
            hythe_catalog::Error::UploadTaken(id) => Self::UploadTakenOver(id),
            hythe_catalog::Error::NoSpace => Self::NoSpace("the catalog cannot grow".to_owned()),
            error @ hythe_catalog::Error::Damaged { .. } => Self::Internal(error.to_string()),
            hythe_catalog::Error::Unavailable(reason) => {
                Self::Internal(format!("the catalog failed: {reason}"))
            }
        }
    }
}

impl From<hythe_storage::Error> for Error {
    fn from(error: hythe_storage::Error) -> Self {
        match error {
            hythe_storage::Error::NoSpace { .. } => Self::NoSpace("the blob storage cannot grow".to_owned()),
            hythe_storage::Error::UploadTaken { id } => Self::UploadTakenOver(id),
            hythe_storage::Error::UploadLost { .. }
            | hythe_storage::Error::Stopping
            | hythe_storage::Error::Io { .. } => Self::Internal(error.to_string()),
        }
    }
}
