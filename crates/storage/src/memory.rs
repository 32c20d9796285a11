//! The back end that keeps everything in memory: for tests, and for registries that live as long as a CI job.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::{Digest, UploadId};
use parking_lot::Mutex;

use crate::capabilities::sorted;
use crate::fence::Fences;
use crate::{
    BlobKey, Content, Error, Fence, ListBlobs, ListUploads, Owner, Result, Storage, StoredBlob, Upload,
    Writes,
};

/// Blobs and uploads in memory.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    uploads: Mutex<HashMap<UploadId, Arc<Growing>>>,
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
    fences: Fences,
}

/// An open upload.
#[derive(Debug)]
struct MemoryUpload {
    owner: Owner,
    growing: Arc<Growing>,
}

#[derive(Debug, Default)]
struct Growing(Mutex<Grown>);

/// The bytes of an upload. A reader that has the upload open can still read them after it became a blob.
#[derive(Debug)]
enum Grown {
    Upload(Vec<u8>),
    Blob(Bytes),
}

impl Default for Grown {
    fn default() -> Self {
        Self::Upload(Vec::new())
    }
}

impl Grown {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Upload(bytes) => bytes,
            Self::Blob(bytes) => bytes,
        }
    }

    /// The bytes for a writer. The bytes of a blob are written to only after `unpublish` made the blob an upload again.
    fn bytes_mut(&mut self) -> &mut Vec<u8> {
        if let Self::Blob(bytes) = self {
            *self = Self::Upload(std::mem::take(bytes).into());
        }
        match self {
            Self::Upload(bytes) => bytes,
            Self::Blob(_) => unreachable!("the blob was just made an upload"),
        }
    }
}

#[async_trait::async_trait]
impl Storage for MemoryStorage {
    fn fence(&self, id: UploadId) -> Fence {
        self.fences.of(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>> {
        let id = owner.id();
        let _entered = owner.enter()?;
        let upload = {
            let mut uploads = self.uploads.lock();
            if offset == 0 {
                Some(Arc::clone(uploads.entry(id).or_default()))
            } else {
                uploads.get(&id).cloned()
            }
        };
        let found = upload.as_ref().map_or(0, |upload| upload.0.lock().bytes().len() as u64);
        match upload {
            Some(upload) if found >= offset => {
                upload.0.lock().bytes_mut().truncate(offset as usize);
                Ok(Arc::new(MemoryUpload { owner: owner.clone(), growing: upload }))
            }
            _ => Err(Error::UploadLost { id, expected: offset, found }),
        }
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        let id = owner.id();
        let _entered = owner.enter()?;
        let key = BlobKey { digest: *digest, generation: id };
        match self.uploads.lock().remove(&id) {
            Some(upload) => {
                let mut grown = upload.0.lock();
                let bytes = Bytes::from(std::mem::take(grown.bytes_mut()));
                *grown = Grown::Blob(bytes.clone());
                self.blobs.lock().insert(key, bytes);
                Ok(())
            }
            None if self.blobs.lock().contains_key(&key) => Ok(()),
            None => Err(Error::UploadLost { id, expected: 0, found: 0 }),
        }
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        let id = owner.id();
        let _entered = owner.enter()?;
        let key = BlobKey { digest: *digest, generation: id };
        if let Some(bytes) = self.blobs.lock().remove(&key) {
            self.uploads.lock().insert(id, Arc::new(Growing(Mutex::new(Grown::Blob(bytes)))));
        }
        Ok(())
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        self.fences.close(id);
        self.uploads.lock().remove(&id);
        Ok(())
    }

    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>> {
        Ok(self.blobs.lock().get(key).map(|bytes| Arc::new(bytes.clone()) as Arc<dyn Content>))
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        self.blobs.lock().remove(key);
        Ok(())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        Some(self)
    }

    fn blobs(&self) -> Option<&dyn ListBlobs> {
        Some(self)
    }
}

#[async_trait::async_trait]
impl ListBlobs for MemoryStorage {
    async fn blobs(&self, first: u8) -> Result<Vec<StoredBlob>> {
        let blobs = self.blobs.lock();
        let found = blobs.iter().filter(|(key, _)| key.digest.as_bytes()[0] == first);
        Ok(sorted(found.map(|(key, bytes)| StoredBlob { key: *key, size: bytes.len() as u64 }).collect()))
    }
}

#[async_trait::async_trait]
impl ListUploads for MemoryStorage {
    async fn uploads(&self) -> Result<Vec<UploadId>> {
        Ok(self.uploads.lock().keys().copied().collect())
    }
}

/// A blob in memory. To read from it copies nothing.
#[async_trait::async_trait]
impl Content for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let start = offset as usize;
        match start.checked_add(length) {
            Some(end) if end <= self.len() => Ok(self.slice(start..end)),
            _ => Err(Error::io("cannot read", Path::new("memory"), io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn outlives_removal(&self) -> bool {
        true
    }
}

#[async_trait::async_trait]
impl Upload for MemoryUpload {
    async fn write_all(&self, writes: Writes) -> Result<()> {
        for write in writes {
            let _entered = self.owner.enter()?;
            let mut grown = self.growing.0.lock();
            for chunk in write.chunks {
                grown.bytes_mut().extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let grown = self.growing.0.lock();
        let rest = grown.bytes().get(offset as usize..).unwrap_or_default();
        Ok(Bytes::copy_from_slice(&rest[..length.min(rest.len())]))
    }
}
