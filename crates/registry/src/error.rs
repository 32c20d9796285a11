//! What a registry answers instead of what was asked.

use std::io;

use hythe_catalog::Origin;
use hythe_oci::{Digest, ManifestError, Reference, RepositoryName, UploadId};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was refused or failed. Each kind has one status and code on the wire (`server`, `reject`).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was ever pushed there, or all of it is gone.
    #[error("repository `{0}` is not known to this registry")]
    NameUnknown(RepositoryName),
    /// The repository does not hold the blob, wherever else it may be.
    #[error("blob {digest} is not in repository `{repository}`")]
    BlobUnknown {
        /// Where it was looked for.
        repository: RepositoryName,
        /// Which blob.
        digest: Digest,
    },
    /// The repository does not hold the manifest.
    #[error("manifest `{reference}` is not in repository `{repository}`")]
    ManifestUnknown {
        /// Where it was looked for.
        repository: RepositoryName,
        /// Which manifest.
        reference: Reference,
    },
    /// No such session, or it has ended.
    #[error("upload {0} is not known: it was finished, cancelled, or has expired; start a new one")]
    UploadUnknown(UploadId),
    /// The bytes are others than promised. An upload session stays as it was before the request.
    #[error("the content has digest {actual}, not the expected {expected}; it was not stored")]
    DigestMismatch {
        /// What the client promised.
        expected: Digest,
        /// What it sent.
        actual: Digest,
    },
    /// The manifest cannot be understood.
    #[error(transparent)]
    ManifestInvalid(#[from] ManifestError),
    /// The manifest is larger than this registry takes.
    #[error("the manifest is larger than the limit of {limit} bytes")]
    ManifestTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The manifest needs what the repository does not hold, or holds no more: garbage collection with a shorter grace
    /// period may have removed it while the manifest was on its way.
    #[error(
        "the manifest references {} blob(s) or manifest(s) that repository `{repository}` does not have; the first is {}. \
         Push them, then push the manifest again",
        digests.len(), digests[0]
    )]
    ManifestBlobsUnknown {
        /// Where they should be.
        repository: RepositoryName,
        /// Which ones; at least one.
        digests: Vec<Digest>,
    },
    /// A chunk does not begin where the last one ended. The session lives on.
    #[error("the chunk starts at byte {start}, but the upload continues at byte {offset}")]
    ChunkOutOfOrder {
        /// Where the chunk starts.
        start: u64,
        /// Where the upload stands.
        offset: u64,
        /// The session.
        id: UploadId,
    },
    /// A chunk is longer or shorter than its range says. What it brought was not kept.
    #[error("the chunk's range is {expected} bytes long, but its body has {actual}")]
    ChunkLength {
        /// By its range.
        expected: u64,
        /// By its body: at least so many.
        actual: u64,
    },
    /// Another request continued the same session; what this one brought until then is kept.
    #[error("another request took over upload {0}; ask for its offset and continue from there")]
    UploadTakenOver(UploadId),
    /// As many uploads as are allowed are under way.
    #[error("{limit} uploads are in progress, the limit of upload.max-concurrent; try again in a moment")]
    TooManyUploads {
        /// How many are allowed.
        limit: usize,
    },
    /// Deletion is switched off.
    #[error("deleting is switched off on this registry (delete.enabled = false)")]
    DeleteDisabled,
    /// The disk or quota is full. Pulls go on; pushes work again when there is space.
    #[error(
        "the registry's disk is full ({0}); nothing of this request was kept. Free space, then push again"
    )]
    NoSpace(String),
    /// The client's body broke off. What had come can be continued.
    #[error("could not receive the whole body of the request: {0}")]
    Body(io::Error),
    /// The repository is there, but is not what it was taken for: a copy of an upstream's, or pushed here.
    #[error(
        "repository `{repository}` holds {}, so it cannot also hold content of another origin",
        held(origin)
    )]
    OtherOrigin {
        /// The repository.
        repository: RepositoryName,
        /// Where its content comes from.
        origin: Origin,
    },
    /// Something is wrong here, not with the request.
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
            hythe_catalog::Error::NoSpace => Self::NoSpace("the catalog cannot grow".to_owned()),
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
            hythe_storage::Error::UploadLost { .. } | hythe_storage::Error::Io { .. } => {
                Self::Internal(error.to_string())
            }
        }
    }
}
