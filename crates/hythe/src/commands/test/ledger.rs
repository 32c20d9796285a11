//! What the suite made at the registry, for the cleanup at the end.

use std::sync::atomic::{AtomicU64, Ordering};

use hythe_client::Place;
use hythe_oci::{Digest, RepositoryName};
use parking_lot::Mutex;

/// Something that the suite made.
#[derive(Clone, Debug)]
pub(super) enum Made {
    Session { repository: RepositoryName, id: u64, place: Place },
    Tag { repository: RepositoryName, tag: String },
    Manifest { repository: RepositoryName, digest: Digest },
    Blob { repository: RepositoryName, digest: Digest },
}

impl Made {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session { id, .. }, Self::Session { id: other, .. }) => id == other,
            (Self::Tag { repository, tag }, Self::Tag { repository: in_other, tag: other }) => {
                repository == in_other && tag == other
            }
            (
                Self::Manifest { repository, digest },
                Self::Manifest { repository: in_other, digest: other },
            )
            | (Self::Blob { repository, digest }, Self::Blob { repository: in_other, digest: other }) => {
                repository == in_other && digest == other
            }
            _ => false,
        }
    }

    /// The order of the cleanup: what refers to content goes before the content.
    fn rank(&self) -> u8 {
        match self {
            Self::Session { .. } => 0,
            Self::Tag { .. } => 1,
            Self::Manifest { .. } => 2,
            Self::Blob { .. } => 3,
        }
    }
}

/// What the suite made and has not deleted. An entry is made before the request is sent, so that the cleanup also finds
/// content whose answer never came.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    made: Mutex<Vec<Made>>,
    sessions: AtomicU64,
}

impl Ledger {
    /// A number for a new upload session.
    pub(super) fn session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds an entry, or replaces the address of a session.
    pub(super) fn add(&self, new: Made) {
        let mut made = self.made.lock();
        match made.iter_mut().find(|known| known.is(&new)) {
            Some(known) => *known = new,
            None => made.push(new),
        }
    }

    pub(super) fn remove(&self, gone: &Made) {
        self.made.lock().retain(|known| !known.is(gone));
    }

    /// All entries in the order of the cleanup; the newest of a kind first, because an index is made after its images.
    pub(super) fn in_order(&self) -> Vec<Made> {
        let mut made: Vec<Made> = self.made.lock().iter().rev().cloned().collect();
        made.sort_by_key(Made::rank);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refers_to_content_goes_first_and_the_newest_before_the_older() {
        let (ledger, repository): (_, RepositoryName) = (Ledger::default(), "app".parse().unwrap());
        let digest = |text: &str| Digest::of(hythe_oci::Algorithm::Sha256, text.as_bytes());
        let blob = Made::Blob { repository: repository.clone(), digest: digest("blob") };
        ledger.add(blob.clone());
        for text in ["image", "index", "image"] {
            ledger.add(Made::Manifest { repository: repository.clone(), digest: digest(text) });
        }
        ledger.add(Made::Tag { repository: repository.clone(), tag: "v1".to_owned() });
        let order: Vec<String> = ledger
            .in_order()
            .iter()
            .map(|made| match made {
                Made::Manifest { digest: found, .. } if *found == digest("index") => "index".to_owned(),
                Made::Manifest { .. } => "image".to_owned(),
                Made::Tag { tag, .. } => tag.clone(),
                Made::Blob { .. } => "blob".to_owned(),
                Made::Session { .. } => "session".to_owned(),
            })
            .collect();
        assert_eq!(order, ["v1", "index", "image", "blob"]);
        ledger.remove(&blob);
        assert_eq!(ledger.in_order().len(), 3);
    }
}
