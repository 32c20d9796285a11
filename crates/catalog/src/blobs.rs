//! Blobs, and the files that hold them.

use hythe_oci::{Digest, RepositoryName, UploadId};

use crate::Origin;

/// A blob that one repository links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// The digest of the blob.
    pub digest: Digest,
    /// The length in bytes.
    pub size: u64,
    /// The generation of the blob's live file. Earlier files with the same digest had other generations.
    pub generation: UploadId,
    /// When this repository last used the blob.
    pub last_use: i64,
}

/// A file of the storage, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobFile {
    /// The digest of the file's content.
    pub digest: Digest,
    /// The upload that wrote the file.
    pub generation: UploadId,
    /// The length in bytes.
    pub size: u64,
}

/// A file that is verified, synced and named, to become a blob of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobCommit {
    /// The repository to which the blob was pushed.
    pub repository: RepositoryName,
    /// The origin of that repository's content.
    pub origin: Origin,
    /// Whether the blob was fetched with credentials.
    pub private: bool,
    /// The digest of the file's content.
    pub digest: Digest,
    /// The length in bytes.
    pub size: u64,
    /// The upload that wrote the file.
    pub generation: UploadId,
    /// The epoch of the claim under which the file was written.
    pub epoch: i64,
    /// The current time.
    pub now: i64,
}

/// The repository from which a blob is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountFrom {
    /// This repository.
    Repository(RepositoryName),
    /// Any repository.
    Any,
    /// Any repository without content that was fetched with credentials.
    AnyPublic,
}
