//! Upload sessions.

use hythe_oci::{Algorithm, Digest, RepositoryName, UploadId};

/// An upload session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The id of the session.
    pub id: UploadId,
    /// The algorithm that hashes its bytes.
    pub algorithm: Algorithm,
    /// How many bytes are committed.
    pub offset: u64,
    /// The hash state, if it was ever saved. It may cover fewer bytes than `offset`.
    pub state: Option<Vec<u8>>,
    /// The digest that names its file: the file is about to get that name, or got it before its end was interrupted.
    pub named: Option<Digest>,
    /// The session's owner: each claim starts a new epoch, and only the latest epoch can save, name or end the session.
    pub epoch: i64,
    /// When the session began.
    pub started: i64,
    /// When the session last changed.
    pub updated: i64,
}

impl Upload {
    /// The epoch of a session that nobody claimed: whoever began it owns it.
    pub const FIRST_EPOCH: i64 = 1;
}

/// A session to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadStart {
    /// The id of the session.
    pub id: UploadId,
    /// The repository to which the blob is pushed.
    pub repository: RepositoryName,
    /// The algorithm that hashes its bytes.
    pub algorithm: Algorithm,
    /// The digest that its file will get as its name, if it is already known.
    pub digest: Option<Digest>,
    /// Whether the registry itself fetches the blob, so that the session can be [found](crate::Catalog::fetch) by its digest.
    pub fetch: bool,
    /// The current time.
    pub now: i64,
}

/// The progress of a session, to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSave {
    /// The id of the session.
    pub id: UploadId,
    /// The epoch of the claim under which the bytes were written.
    pub epoch: i64,
    /// How many bytes were committed until now: if the row has another offset, nothing is saved.
    pub from: u64,
    /// How many bytes are now committed.
    pub offset: u64,
    /// The algorithm that hashes the bytes.
    pub algorithm: Algorithm,
    /// The hash state of the bytes. If it is `None`, an earlier saved state stays, if it has the same algorithm.
    pub state: Option<Vec<u8>>,
    /// The current time.
    pub now: i64,
}

/// A session that was ended, and everything that it may have left in the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedUpload {
    /// The id of the session.
    pub id: UploadId,
    /// The digest that its file may have got as its name, if it came so far.
    pub named: Option<Digest>,
}
