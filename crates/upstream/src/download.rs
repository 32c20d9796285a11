//! Running downloads of blobs: which repositories get each blob, and how far it has arrived.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_oci::{Authority, Digest, RepositoryName};
use hythe_registry::{Error as Refusal, Growing, Origin};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, Result};

/// Running downloads, one for each upstream and digest. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Downloads(Arc<Mutex<Running>>);

type Running = HashMap<Key, Arc<Download>>;

type Key = (Authority, Digest);

#[derive(Debug)]
pub(crate) struct Download {
    /// The repository that fetches the blob.
    pub(crate) recipient: Recipient,
    /// Other repositories that have the blob too, according to the upstream: they are linked to it together with the
    /// one that fetches it. `None` once that is done.
    also: Mutex<Option<Vec<Recipient>>>,
    pub(crate) stage: watch::Receiver<Stage>,
}

/// A repository that gets a downloaded blob.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    pub(crate) name: RepositoryName,
    pub(crate) origin: Origin,
    /// Whether its content is fetched with credentials.
    pub(crate) private: bool,
}

impl Download {
    /// Takes the other repositories, to link the blob into them.
    pub(crate) fn take_others(&self) -> Vec<Recipient> {
        self.also.lock().take().unwrap_or_default()
    }

    /// Returns when the download has ended, with or without success.
    pub(crate) async fn ended(&self) {
        // An error means that the sender is gone, so the download has ended too.
        let _ = self.stage.clone().wait_for(|stage| matches!(stage, Stage::Stored | Stage::Failed(_))).await;
    }

    /// Has the blob linked into another repository too, once it is stored; returns false if it is too late for that.
    pub(crate) fn link_into(&self, other: Recipient) -> bool {
        match &mut *self.also.lock() {
            Some(also) => {
                let known = |known: &Recipient| known.name == other.name && known.private >= other.private;
                if !also.iter().any(known) {
                    also.push(other);
                }
                true
            }
            None => false,
        }
    }
}

/// The state of a download.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// The upstream has not answered yet.
    Asking,
    /// Bytes are arriving.
    Growing(Growing),
    /// The blob is stored in its repository.
    Stored,
    /// The download failed.
    Failed(Error),
}

impl Downloads {
    /// The running download of this digest from this upstream; or a new one into the recipient, with the handle that
    /// ends it.
    pub(crate) fn join(
        &self,
        upstream: &Authority,
        recipient: &Recipient,
        digest: &Digest,
    ) -> (Arc<Download>, Option<Ended>) {
        let key = (upstream.clone(), *digest);
        let mut running = self.0.lock();
        if let Some(download) = running.get(&key) {
            return (Arc::clone(download), None);
        }
        let (sender, stage) = watch::channel(Stage::Asking);
        let also = Mutex::new(Some(Vec::new()));
        let download = Arc::new(Download { recipient: recipient.clone(), also, stage });
        running.insert(key.clone(), Arc::clone(&download));
        (download, Some(Ended { downloads: self.clone(), key, stage: sender, outcome: None }))
    }

    /// The state of the running download of this digest from this upstream, if there is one.
    pub(crate) fn stage(&self, upstream: &Authority, digest: &Digest) -> Option<watch::Receiver<Stage>> {
        let key = (upstream.clone(), *digest);
        self.0.lock().get(&key).map(|download| download.stage.clone())
    }
}

/// Ends a download, with or without success. Removes it from the map first, so that a request that comes now finds what
/// the download left.
pub(crate) struct Ended {
    downloads: Downloads,
    key: Key,
    pub(crate) stage: watch::Sender<Stage>,
    outcome: Option<Result<()>>,
}

impl Ended {
    pub(crate) fn end(mut self, outcome: Result<()>) {
        self.outcome.replace(outcome);
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.downloads.0.lock().remove(&self.key);
        self.stage.send_replace(match self.outcome.take() {
            Some(Ok(())) => Stage::Stored,
            Some(Err(error)) => Stage::Failed(error),
            None => Stage::Failed(Refusal::Internal("a download was stopped".to_owned()).into()),
        });
    }
}
