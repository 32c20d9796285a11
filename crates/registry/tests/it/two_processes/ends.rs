//! A session that one process takes over while another one makes it a blob.

use std::sync::Arc;

use hythe_oci::{Digest, UploadId};
use hythe_registry::Error;
use hythe_storage::{BlobKey, Content, Fence, ListUploads, Owner, Storage, Upload};
use tokio::sync::Notify;

use super::{Two, app, at, on_each, registry};
use crate::world::{body, options, sha256, uploads};

/// A storage that stops before or after it publishes an upload, until it may go on.
#[derive(Debug)]
struct Stopping {
    inner: Arc<dyn Storage>,
    after: bool,
    reached: Notify,
    goes_on: Notify,
}

impl Stopping {
    async fn stop(&self) {
        self.reached.notify_one();
        self.goes_on.notified().await;
    }
}

#[async_trait::async_trait]
impl Storage for Stopping {
    fn fence(&self, id: UploadId) -> Fence {
        self.inner.fence(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> hythe_storage::Result<Arc<dyn Upload>> {
        self.inner.open_upload(owner, offset).await
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> hythe_storage::Result<()> {
        if !self.after {
            self.stop().await;
        }
        let published = self.inner.publish(owner, digest).await;
        if self.after {
            self.stop().await;
        }
        published
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> hythe_storage::Result<()> {
        self.inner.unpublish(owner, digest).await
    }

    async fn finish_upload(&self, blob: &BlobKey) -> hythe_storage::Result<()> {
        self.inner.finish_upload(blob).await
    }

    async fn remove_upload(&self, id: UploadId) -> hythe_storage::Result<()> {
        self.inner.remove_upload(id).await
    }

    async fn open_blob(&self, key: &BlobKey) -> hythe_storage::Result<Option<Arc<dyn Content>>> {
        self.inner.open_blob(key).await
    }

    async fn remove_blob(&self, key: &BlobKey) -> hythe_storage::Result<()> {
        self.inner.remove_blob(key).await
    }

    async fn probe(&self) -> hythe_storage::Result<()> {
        self.inner.probe().await
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        self.inner.listing()
    }
}

/// What the other process does while one is about to make the session a blob.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Continue,
    FinishTheSame,
    Cancel,
}

async fn take_over_an_end(two: &Two, after: bool, meanwhile: Meanwhile) {
    let (reached, goes_on) = (Notify::new(), Notify::new());
    let stopping = Arc::new(Stopping { inner: Arc::clone(&two.storage), after, reached, goes_on });
    let storage: Arc<dyn Storage> = Arc::<Stopping>::clone(&stopping);
    let slow = registry(two.folder.path(), &storage, options());
    let kept = slow.clone();
    let id = two.start(1).await;
    let head = id.to_string().into_bytes();
    let start = head.len() as u64;
    two.append(1, id, at(0), &head).await.unwrap();
    let content = [&head[..], b" and the end"].concat();
    let ending = {
        let digest = sha256(&content);
        tokio::spawn(async move {
            slow.repository(&app()).finish_upload(id, digest, at(start), body(b" and the end")).await
        })
    };
    stopping.reached.notified().await;
    let ended = match meanwhile {
        Meanwhile::Continue => {
            let offset = two.append(0, id, at(start), b", continued").await.unwrap();
            assert_eq!(offset, start + 11);
            false
        }
        Meanwhile::FinishTheSame => {
            two.finish(0, id, &content, b" and the end").await.unwrap();
            true
        }
        Meanwhile::Cancel => {
            two.registries[0].repository(&app()).cancel_upload(id).await.unwrap();
            true
        }
    };
    stopping.goes_on.notify_one();
    let refused = ending.await.unwrap();
    match refused {
        Err(Error::UploadTakenOver(_)) => {}
        // The session has become exactly the blob that this request asked for.
        Ok(()) if after && matches!(meanwhile, Meanwhile::FinishTheSame) => {}
        refused => panic!("{after}, {meanwhile:?}: {refused:?}"),
    }
    if !ended {
        let content = [&head[..], b", continued, and ended"].concat();
        two.finish(0, id, &content, b", and ended").await.unwrap();
    }
    if matches!(meanwhile, Meanwhile::FinishTheSame) {
        two.expect_blob(0, &content).await;
    }
    assert!(uploads(&*two.storage).await.is_empty(), "{after}, {meanwhile:?}");
    let key = BlobKey { digest: sha256(&content), generation: id };
    let is_there = two.storage.open_blob(&key).await.unwrap().is_some();
    assert_eq!(is_there, matches!(meanwhile, Meanwhile::FinishTheSame), "{after}, {meanwhile:?}");
    // A catalog that is closed waits for the open transactions of other readers.
    two.renew(0).await;
    drop(kept);
}

on_each! {
    async fn a_session_is_taken_over_while_it_becomes_a_blob_and_nothing_is_lost(two: Two) {
        for after in [false, true] {
            for meanwhile in [Meanwhile::Continue, Meanwhile::FinishTheSame, Meanwhile::Cancel] {
                take_over_an_end(&two, after, meanwhile).await;
            }
        }
    }
}
