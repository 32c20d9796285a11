//! A sync that fails once: the kernel does not report the failure again, so the registry must remember it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hythe_catalog::Catalog;
use hythe_oci::{Algorithm, Digest, UploadId};
use hythe_registry::{Chunk, Error, Registry};
use hythe_storage::{
    BlobKey, Content, Fence, ListUploads, MemoryStorage, Owner, Result, Storage, Upload, Writes,
};

use crate::world::{body, name, options, sha256, uploads};

/// A storage of which only the `nth` sync fails, counted from zero.
#[derive(Debug)]
struct Failing {
    inner: MemoryStorage,
    left: Arc<AtomicUsize>,
}

struct FailingUpload {
    inner: Arc<dyn Upload>,
    left: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Upload for FailingUpload {
    async fn write_all(&self, writes: Writes) -> Result<()> {
        self.inner.write_all(writes).await
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }

    async fn sync(&self) -> Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 0 {
            let source = std::io::Error::other("the disk lost it");
            return Err(hythe_storage::Error::Io { action: "cannot sync", path: "here".into(), source });
        }
        self.inner.sync().await
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.inner.read(offset, length).await
    }
}

#[async_trait::async_trait]
impl Storage for Failing {
    fn fence(&self, id: UploadId) -> Fence {
        self.inner.fence(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>> {
        let inner = self.inner.open_upload(owner, offset).await?;
        Ok(Arc::new(FailingUpload { inner, left: Arc::clone(&self.left) }))
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        self.inner.publish(owner, digest).await
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        self.inner.unpublish(owner, digest).await
    }

    async fn finish_upload(&self, blob: &BlobKey) -> Result<()> {
        self.inner.finish_upload(blob).await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        self.inner.remove_upload(id).await
    }

    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>> {
        self.inner.open_blob(key).await
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        self.inner.remove_blob(key).await
    }

    async fn probe(&self) -> Result<()> {
        self.inner.probe().await
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        self.inner.listing()
    }
}

/// The length of a body, in bytes: long enough that the registry syncs it before its end.
const LONG: usize = 70 << 20;

fn failing(nth: usize) -> (Registry, Arc<Failing>) {
    let storage =
        Arc::new(Failing { inner: MemoryStorage::default(), left: Arc::new(AtomicUsize::new(nth)) });
    let shared: Arc<dyn Storage> = Arc::clone(&storage) as _;
    (Registry::new(shared, Catalog::in_memory().unwrap(), options()), storage)
}

#[tokio::test]
async fn a_blob_whose_sync_failed_is_never_acknowledged_and_its_session_is_removed() {
    let (app, content) = (name("app"), vec![7; LONG]);
    // The sync before the end, and the one at the end.
    for nth in [0, 1] {
        let (registry, storage) = failing(nth);
        let app = registry.repository(&app);
        let id = app.start_upload(Algorithm::Sha256).await.unwrap().id;
        let finished = app.finish_upload(id, sha256(&content), Chunk::default(), body(&content)).await;
        assert!(matches!(finished, Err(Error::Internal(_))), "{nth}: {finished:?}");
        assert!(matches!(app.upload_status(id).await, Err(Error::UploadUnknown(_))), "{nth}");
        assert!(uploads(&*storage).await.is_empty(), "{nth}");
        // A new push of the blob succeeds.
        app.push_blob(sha256(&content), None, body(&content)).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_whose_sync_failed_cannot_be_continued() {
    let (app, content) = (name("app"), vec![7; LONG]);
    let (registry, storage) = failing(0);
    let app = registry.repository(&app);
    let id = app.start_upload(Algorithm::Sha256).await.unwrap().id;
    app.append(id, Chunk::default(), body(b"acknowledged, but not synced")).await.unwrap();
    // Once with a chunk that would be refused because it is shorter than its range, and once with one that would be
    // kept.
    for chunk in [Chunk { range_length: Some(LONG as u64 + 1), ..Chunk::default() }, Chunk::default()] {
        let appended = app.append(id, chunk, body(&content)).await;
        assert!(matches!(appended, Err(Error::Internal(_) | Error::UploadUnknown(_))), "{appended:?}");
    }
    assert!(matches!(app.upload_status(id).await, Err(Error::UploadUnknown(_))));
    assert!(uploads(&*storage).await.is_empty());
}
