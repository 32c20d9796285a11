//! A storage whose operations wait at a [`Gate`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::{Digest, UploadId};
use hythe_storage::{BlobKey, Content, Error, Fence, ListUploads, Owner, Result, Storage, Upload, Writes};
use parking_lot::Mutex;

use crate::gate::{Gate, Verdict};

/// What outlives a kill: the bytes, and a record of the files of blobs.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) inner: Arc<dyn Storage>,
    pub(crate) blobs: Arc<Mutex<HashSet<BlobKey>>>,
}

/// The storage of one process.
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) disk: Disk,
    pub(crate) gate: Arc<Gate>,
}

struct GatedUpload {
    inner: Arc<dyn Upload>,
    gate: Arc<Gate>,
}

async fn passed(gate: &Gate, what: &'static str) -> Result<()> {
    let source = match gate.pass(what).await {
        Verdict::Go => return Ok(()),
        Verdict::Fail => "the disk failed",
        Verdict::Halt => "the process was killed",
    };
    Err(Error::Io {
        action: "cannot go on",
        path: Path::new(what).into(),
        source: std::io::Error::other(source),
    })
}

#[async_trait::async_trait]
impl Upload for GatedUpload {
    async fn write_all(&self, writes: Writes) -> Result<()> {
        passed(&self.gate, "write").await?;
        self.inner.write_all(writes).await
    }

    async fn flush(&self) -> Result<()> {
        self.inner.flush().await
    }

    async fn sync(&self) -> Result<()> {
        passed(&self.gate, "sync").await?;
        self.inner.sync().await
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.inner.read(offset, length).await
    }
}

#[async_trait::async_trait]
impl Storage for Gated {
    fn fence(&self, id: UploadId) -> Fence {
        self.disk.inner.fence(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>> {
        passed(&self.gate, "open an upload").await?;
        let inner = self.disk.inner.open_upload(owner, offset).await?;
        Ok(Arc::new(GatedUpload { inner, gate: Arc::clone(&self.gate) }))
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        passed(&self.gate, "publish").await?;
        self.disk.inner.publish(owner, digest).await?;
        self.disk.blobs.lock().insert(BlobKey { digest: *digest, generation: owner.id() });
        passed(&self.gate, "published").await
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        passed(&self.gate, "unpublish").await?;
        self.disk.inner.unpublish(owner, digest).await?;
        self.disk.blobs.lock().remove(&BlobKey { digest: *digest, generation: owner.id() });
        Ok(())
    }

    async fn finish_upload(&self, blob: &BlobKey) -> Result<()> {
        passed(&self.gate, "finish an upload").await?;
        self.disk.inner.finish_upload(blob).await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        passed(&self.gate, "remove an upload").await?;
        self.disk.inner.remove_upload(id).await?;
        passed(&self.gate, "removed an upload").await
    }

    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>> {
        passed(&self.gate, "open a blob").await?;
        self.disk.inner.open_blob(key).await
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        passed(&self.gate, "remove a blob").await?;
        self.disk.inner.remove_blob(key).await?;
        self.disk.blobs.lock().remove(key);
        passed(&self.gate, "removed a blob").await
    }

    async fn probe(&self) -> Result<()> {
        self.disk.inner.probe().await
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        self.disk.inner.listing()
    }
}
