//! A record of everything that a server acknowledged, and so must still have after a crash or fault.

use std::collections::BTreeMap;

use hythe_oci::Digest;

use crate::client::Client;
use crate::content::Content;
use crate::repository::{Repository, upload_offset};

/// An upload session that the server acknowledged.
#[derive(Clone, Debug)]
pub struct Session {
    /// The repository's name.
    pub repository: String,
    /// The location for the next request.
    pub location: String,
    /// The content being uploaded.
    pub content: Content,
    /// The number of bytes that a 202 acknowledged.
    pub acknowledged: u64,
    /// The largest number of bytes that may have been sent.
    pub sent: u64,
    /// Whether its closing `PUT` was in flight. Then it may be a blob already.
    pub closing: bool,
}

/// The possible targets of a tag: the last acknowledged one, or that of a request without an answer. `None` means no
/// target.
#[derive(Clone, Debug, Default)]
pub struct TagState {
    /// The target that was acknowledged last.
    pub acknowledged: Option<Digest>,
    /// The target of a request without an answer.
    pub pending: Option<Option<Digest>>,
}

/// Tags by repository and name.
pub type Tags = BTreeMap<(String, String), TagState>;

/// Everything that the server acknowledged to one pusher or several.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Blobs, each acknowledged by a 201.
    pub blobs: Vec<(String, Digest)>,
    /// Manifests, each acknowledged by a 201.
    pub manifests: Vec<(String, Digest)>,
    /// Tags, each acknowledged by a 201 or 202, or with a request without an answer.
    pub tags: Tags,
    /// Open sessions, each acknowledged by a 202.
    pub sessions: Vec<Session>,
}

impl Ledger {
    /// Adds the entries of `later`.
    pub fn extend(&mut self, later: Self) {
        self.blobs.extend(later.blobs);
        self.manifests.extend(later.manifests);
        self.tags.extend(later.tags);
        self.sessions.extend(later.sessions);
    }

    /// The numbers of entries, in one line.
    pub fn summary(&self) -> String {
        let Self { blobs, manifests, tags, sessions } = self;
        let counts = [blobs.len(), manifests.len(), tags.len(), sessions.len()];
        format!(
            "{} blobs, {} manifests, {} tags, {} open sessions",
            counts[0], counts[1], counts[2], counts[3]
        )
    }

    /// Asks the server for everything except the sessions, and compares.
    pub fn verify(&self, client: &mut Client) {
        for (name, digest) in &self.blobs {
            Repository::new(client, name).verify_blob(digest);
        }
        for (name, digest) in &self.manifests {
            Repository::new(client, name).verify(&digest.to_string());
        }
        for ((name, tag), state) in &self.tags {
            let mut repository = Repository::new(client, name);
            let status =
                repository.manifest(tag).unwrap_or_else(|error| panic!("{name}:{tag}: {error}")).status;
            let found = (status != 404).then(|| repository.verify(tag));
            assert!(
                found == state.acknowledged || Some(found) == state.pending,
                "{name}:{tag} is {found:?} after {state:?}"
            );
        }
    }

    /// Sets each tag's target to the one in the server now, which [`verify`](Self::verify) found to be possible.
    pub fn settle(&mut self, client: &mut Client) {
        for ((name, tag), state) in &mut self.tags {
            if state.pending.take().is_some() {
                let mut repository = Repository::new(client, name);
                let status =
                    repository.manifest(tag).unwrap_or_else(|error| panic!("{name}:{tag}: {error}")).status;
                state.acknowledged = (status != 404).then(|| repository.verify(tag));
            }
        }
    }
}

impl Session {
    /// Continues the upload at the server's offset and completes the blob. `None` if the closing `PUT` had completed it
    /// already.
    pub fn resume(&self, client: &mut Client) -> Option<(String, Digest)> {
        let Self { repository, location, content, acknowledged, sent, closing } = self;
        if *closing && client.get(location).is_ok_and(|response| response.status == 404) {
            return None;
        }
        let (offset, location) = upload_offset(client, location);
        assert!(
            (*acknowledged..=*sent).contains(&offset),
            "the session {location} stands at {offset}, but {acknowledged} bytes were acknowledged and {sent} sent"
        );
        let mut repository = Repository::new(client, repository);
        let end = offset + (content.len() - offset) / 2;
        let response = repository.append(&location, content, offset, end).expect("the server answers");
        let location = response.expect(202, "PATCH of a resumed session").location();
        let digest = content.digest();
        let response = repository.close_upload(&location, content, &digest, end).expect("the server answers");
        response.expect(201, "PUT of a resumed session");
        repository.verify_blob(&digest);
        Some((repository.name().to_owned(), digest))
    }
}
