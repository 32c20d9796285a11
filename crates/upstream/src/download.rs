//! Running downloads of blobs: which repositories get each blob, and how far it has arrived.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_oci::{Authority, Digest, RepositoryName};
use hythe_registry::{Error as Refusal, Growing};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::cache::Copy;
use crate::{Error, Result};

/// Running downloads, one for each upstream and digest.
#[derive(Debug, Default)]
pub(crate) struct Downloads(Mutex<HashMap<Key, Arc<Download>>>);

type Key = (Authority, Digest);

#[derive(Debug)]
pub(crate) struct Download {
    /// The repository that fetches it.
    pub(crate) into: RepositoryName,
    /// Whether it is fetched with credentials.
    pub(crate) private: bool,
    /// Other repositories that have the blob too, according to the upstream: they are linked to it together with the
    /// one that fetches it. `None` once that is done.
    also: Mutex<Option<Vec<Copy>>>,
    pub(crate) stage: watch::Receiver<Stage>,
}

impl Download {
    /// Takes the other repositories, to link the blob into them.
    pub(crate) fn take_others(&self) -> Vec<Copy> {
        self.also.lock().take().unwrap_or_default()
    }

    /// Returns when the download has ended, with or without success.
    pub(crate) async fn ended(&self) {
        // An error means that the sender is gone, so the download has ended too.
        let _ = self.stage.clone().wait_for(|stage| matches!(stage, Stage::Stored | Stage::Failed(_))).await;
    }

    /// Has the blob linked into `copy` too, once it is stored; returns false if it is too late for that.
    pub(crate) fn link_into(&self, copy: &Copy) -> bool {
        match &mut *self.also.lock() {
            Some(also) => {
                let known = |known: &Copy| known.here == copy.here && known.is_private() >= copy.is_private();
                if !also.iter().any(known) {
                    also.push(copy.clone());
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
    /// The running download of this digest from this copy's upstream; or a new one into this copy, with the handle that
    /// ends it.
    pub(crate) fn join(&self, copy: &Copy, digest: &Digest) -> (Arc<Download>, Option<Ended>) {
        let key = (copy.upstream().clone(), *digest);
        let mut downloads = self.0.lock();
        if let Some(download) = downloads.get(&key) {
            return (Arc::clone(download), None);
        }
        let (sender, stage) = watch::channel(Stage::Asking);
        let also = Mutex::new(Some(Vec::new()));
        let (into, private) = (copy.here.clone(), copy.is_private());
        let download = Arc::new(Download { into, private, also, stage });
        downloads.insert(key.clone(), Arc::clone(&download));
        (download, Some(Ended { copy: copy.clone(), key, stage: sender, outcome: None }))
    }

    /// The state of the running download of this digest from this copy's upstream, if there is one.
    pub(crate) fn stage(&self, copy: &Copy, digest: &Digest) -> Option<watch::Receiver<Stage>> {
        let key = (copy.upstream().clone(), *digest);
        self.0.lock().get(&key).map(|download| download.stage.clone())
    }
}

/// Ends a download, with or without success. Removes it from the map first, so that a request that comes now finds what
/// the download left.
pub(crate) struct Ended {
    copy: Copy,
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
        self.copy.cache.0.downloads.0.lock().remove(&self.key);
        self.stage.send_replace(match self.outcome.take() {
            Some(Ok(())) => Stage::Stored,
            Some(Err(error)) => Stage::Failed(error),
            None => Stage::Failed(Refusal::Internal("a download was stopped".to_owned()).into()),
        });
    }
}
