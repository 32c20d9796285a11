//! The back end that keeps bytes in a bucket of an object store.
//!
//! `keys.rs` shows the layout, and `upload.rs` how an upload grows. This version has one kind of bucket, in memory: for
//! tests of this back end, and of everything above it.

mod assembly;
mod bucket;
mod content;
mod keys;
mod memory;
mod segments;
mod upload;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest, UploadId};
use parking_lot::Mutex;

use crate::capabilities::sorted;
use crate::fence::Fences;
use crate::{
    BlobKey, Content, Error, Fence, ListBlobs, ListUploads, Owner, Presign, Result, Storage, StoredBlob,
    Upload,
};
use assembly::assemble;
use bucket::failed;
use content::ObjectContent;
use segments::{Segment, Segments, list};
use upload::ObjectUpload;

pub use bucket::{Bucket, Object, When};
pub use memory::{Fault, MemoryBucket};

/// Blobs and uploads in a bucket.
#[derive(Debug)]
pub struct ObjectStorage {
    bucket: Arc<dyn Bucket>,
    fences: Fences,
    /// The uploads that this process has open, which are told what they become.
    open: Mutex<HashMap<UploadId, Weak<ObjectUpload>>>,
}

impl ObjectStorage {
    /// Blobs and uploads in this bucket, which other processes may use at the same time.
    pub fn new(bucket: Arc<dyn Bucket>) -> Self {
        Self { bucket, fences: Fences::default(), open: Mutex::default() }
    }

    async fn head(&self, key: &str) -> Result<Option<u64>> {
        self.bucket.head(key).await.map_err(failed("cannot find", key))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.bucket.delete(key).await.map_err(failed("cannot remove", key))
    }

    async fn remove_segments(&self, id: UploadId) -> Result<()> {
        for object in list(&self.bucket, id).await? {
            self.delete(&object.key).await?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Storage for ObjectStorage {
    fn fence(&self, id: UploadId) -> Fence {
        self.fences.of(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>> {
        owner.check()?;
        let upload = ObjectUpload::open(Arc::clone(&self.bucket), owner.clone(), offset).await?;
        let upload = Arc::new(upload);
        let mut open = self.open.lock();
        open.retain(|_, upload| upload.strong_count() > 0);
        open.insert(owner.id(), Arc::downgrade(&upload));
        Ok(upload)
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        owner.check()?;
        let id = owner.id();
        let key = keys::blob(&BlobKey { digest: *digest, generation: id });
        if self.head(&key).await?.is_some() {
            // An earlier call took effect.
            return Ok(());
        }
        let segments = Segments::of(owner, &list(&self.bucket, id).await?);
        if segments.0.is_empty() {
            return Err(Error::UploadLost { id, expected: 0, found: 0 });
        }
        let pieces: Vec<_> = segments.0.iter().map(Segment::piece).collect();
        match assemble(&self.bucket, &key, &pieces, When::Absent).await {
            // Another process published the upload meanwhile.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            published => published.map_err(failed("cannot store the blob", &key))?,
        }
        if owner.is_removed() {
            // The removal may have come before the blob.
            self.delete(&key).await?;
            return Err(Error::UploadTaken { id });
        }
        Ok(())
    }

    /// The segments are still here.
    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        owner.check()?;
        self.delete(&keys::blob(&BlobKey { digest: *digest, generation: owner.id() })).await
    }

    async fn finish_upload(&self, blob: &BlobKey) -> Result<()> {
        let id = blob.generation;
        if let Some(upload) = self.open.lock().remove(&id).as_ref().and_then(Weak::upgrade) {
            upload.became(keys::blob(blob));
        }
        self.remove_segments(id).await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        self.fences.close(id);
        self.remove_segments(id).await
    }

    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>> {
        let key = keys::blob(key);
        let Some(size) = self.head(&key).await? else { return Ok(None) };
        Ok(Some(Arc::new(ObjectContent { bucket: Arc::clone(&self.bucket), key, size })))
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        self.delete(&keys::blob(key)).await
    }

    async fn probe(&self) -> Result<()> {
        let put = self.bucket.put(keys::PROBE, Bytes::from_static(b"ok"), When::Always).await;
        put.map_err(failed("cannot write", keys::PROBE))?;
        self.delete(keys::PROBE).await
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        Some(self)
    }

    fn blobs(&self) -> Option<&dyn ListBlobs> {
        Some(self)
    }

    fn presigning(&self) -> Option<&dyn Presign> {
        Some(self)
    }
}

#[async_trait::async_trait]
impl ListBlobs for ObjectStorage {
    async fn blobs(&self, first: u8) -> Result<Vec<StoredBlob>> {
        let mut blobs = Vec::new();
        for algorithm in Algorithm::ALL {
            let prefix = keys::blobs(algorithm, first);
            let objects = self.bucket.list(&prefix).await.map_err(failed("cannot list", &prefix))?;
            blobs.extend(
                objects.iter().filter_map(|object| {
                    Some(StoredBlob { key: keys::parse_blob(object)?, size: object.size })
                }),
            );
        }
        Ok(sorted(blobs))
    }
}

#[async_trait::async_trait]
impl ListUploads for ObjectStorage {
    async fn uploads(&self) -> Result<Vec<UploadId>> {
        let objects = self.bucket.list(keys::UPLOADS).await.map_err(failed("cannot list", keys::UPLOADS))?;
        let mut ids: Vec<_> =
            objects.iter().filter_map(keys::parse_segment).map(|(upload, ..)| upload).collect();
        // Segments of one upload lie side by side in the list.
        ids.dedup();
        Ok(ids)
    }
}

#[async_trait::async_trait]
impl Presign for ObjectStorage {
    async fn presign(&self, key: &BlobKey, valid: Duration) -> Result<String> {
        let key = keys::blob(key);
        self.bucket.presign(&key, valid).await.map_err(failed("cannot sign a URL of", &key))
    }
}
