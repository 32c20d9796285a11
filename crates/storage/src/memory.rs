//! The back end that forgets: tests, and registries that live as long as a CI job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hythe_oci::{Digest, UploadId};

use crate::{BlobKey, Content, Error, Result, Storage, Upload};

/// Blobs and uploads in memory.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    uploads: Mutex<HashMap<UploadId, Arc<Growing>>>,
    blobs: Mutex<HashMap<BlobKey, Bytes>>,
}

#[derive(Debug, Default)]
struct Growing(Mutex<Vec<u8>>);

/// A panic elsewhere leaves no half-made change behind these locks: each holds for one call on one collection.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl Storage for MemoryStorage {
    async fn open_upload(&self, id: UploadId, offset: u64) -> Result<Arc<dyn Upload>> {
        let upload = {
            let mut uploads = lock(&self.uploads);
            if offset == 0 {
                Some(Arc::clone(uploads.entry(id).or_default()))
            } else {
                uploads.get(&id).cloned()
            }
        };
        let found = upload.as_ref().map_or(0, |upload| lock(&upload.0).len() as u64);
        match upload {
            Some(upload) if found >= offset => {
                lock(&upload.0).truncate(offset as usize);
                Ok(upload)
            }
            _ => Err(Error::UploadLost { id, expected: offset, found }),
        }
    }

    async fn publish(&self, id: UploadId, digest: &Digest) -> Result<()> {
        let key = BlobKey { digest: *digest, generation: id };
        match lock(&self.uploads).remove(&id) {
            Some(upload) => {
                let bytes = std::mem::take(&mut *lock(&upload.0));
                lock(&self.blobs).insert(key, bytes.into());
                Ok(())
            }
            None if lock(&self.blobs).contains_key(&key) => Ok(()),
            None => Err(Error::UploadLost { id, expected: 0, found: 0 }),
        }
    }

    async fn unpublish(&self, id: UploadId, digest: &Digest) -> Result<()> {
        let key = BlobKey { digest: *digest, generation: id };
        if let Some(bytes) = lock(&self.blobs).remove(&key) {
            lock(&self.uploads).insert(id, Arc::new(Growing(Mutex::new(bytes.into()))));
        }
        Ok(())
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        lock(&self.uploads).remove(&id);
        Ok(())
    }

    async fn uploads(&self) -> Result<Vec<UploadId>> {
        Ok(lock(&self.uploads).keys().copied().collect())
    }

    fn open_blob(&self, key: &BlobKey) -> Result<Option<Content>> {
        Ok(lock(&self.blobs).get(key).cloned().map(Content::Memory))
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        lock(&self.blobs).remove(key);
        Ok(())
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl Upload for Growing {
    fn write(&self, offset: u64, chunks: &[Bytes]) -> Result<()> {
        let mut bytes = lock(&self.0);
        bytes.truncate(offset as usize);
        for chunk in chunks {
            bytes.extend_from_slice(chunk);
        }
        Ok(())
    }

    async fn sync(&self) -> Result<()> {
        Ok(())
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = lock(&self.0);
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        Ok(Bytes::copy_from_slice(&rest[..length.min(rest.len())]))
    }
}
