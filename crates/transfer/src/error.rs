//! Why an image could not be moved.

use std::io;
use std::path::{Path, PathBuf};

use hythe_oci::{Digest, ManifestError};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A registry refused, or cannot be reached.
    #[error(transparent)]
    Registry(#[from] hythe_client::Error),
    /// A place does not have the image, manifest or blob.
    #[error("{place} has no {what}")]
    NotFound {
        /// The place.
        place: String,
        /// What it lacks.
        what: String,
    },
    /// The content is not that of its digest.
    #[error("{place} gave {what} with other content: its digest is `{found}`")]
    Content {
        /// The place.
        place: String,
        /// What was read.
        what: String,
        /// The digest of the bytes that came.
        found: Digest,
    },
    /// A manifest cannot be read.
    #[error("{place} has a manifest `{digest}` that cannot be read: {error}")]
    Manifest {
        /// The place.
        place: String,
        /// The manifest's digest.
        digest: Digest,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// A file or folder is not what its name says.
    #[error("{} is not {expected}: {reason}", path.display())]
    Invalid {
        /// The file or folder.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused a file.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `cannot read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes of a blob could not be read from the source.
    #[error("cannot read blob `{digest}` of {place}: {source}")]
    Read {
        /// The source.
        place: String,
        /// The blob.
        digest: Digest,
        /// What failed.
        source: io::Error,
    },
    /// An index has no manifest for a platform that was asked for.
    #[error("{what} is not for {wanted}, only for {there}")]
    Platform {
        /// The image.
        what: String,
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that it has.
        there: String,
    },
    /// An index lists manifests that the source does not have.
    #[error(
        "{place} lacks {count} of the manifests that the index `{digest}` lists, for example for {example}. Name the platforms \
         that it has with --platform"
    )]
    Absent {
        /// The source.
        place: String,
        /// The index.
        digest: Digest,
        /// How many are absent.
        count: usize,
        /// The platform or digest of one of them.
        example: String,
    },
    /// There is more content than is counted.
    #[error(
        "{place} has more than {limit} blobs and manifests, the most that are counted: name fewer repositories"
    )]
    TooMuch {
        /// The place.
        place: String,
        /// The limit.
        limit: usize,
    },
    /// The limit of indexes within indexes, or of referrers of referrers, is exceeded.
    #[error("{place} has manifests that refer to each other in more than {limit} levels, at `{digest}`")]
    TooDeep {
        /// The source.
        place: String,
        /// The manifest at the limit.
        digest: Digest,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Registry(error) => error.is_temporary(),
            Self::Read { .. } => true,
            Self::NotFound { .. }
            | Self::Content { .. }
            | Self::Manifest { .. }
            | Self::Invalid { .. }
            | Self::File { .. }
            | Self::Platform { .. }
            | Self::Absent { .. }
            | Self::TooDeep { .. }
            | Self::TooMuch { .. } => false,
        }
    }

    /// Whether the place does not have what was asked for, or is a cache that does not have it and may not fetch it
    /// (504, RFC 9111, 5.2.1.7).
    pub fn is_absent(&self) -> bool {
        let uncached =
            matches!(self, Self::Registry(hythe_client::Error::Unavailable { status: Some(504), .. }));
        uncached || self.is_not_found()
    }

    /// Whether the place does not have what was asked for.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Registry(hythe_client::Error::NotFound { .. }))
    }
}
