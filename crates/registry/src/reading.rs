//! Which blobs of copies clients read now: their images are not evicted.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::Digest;
use hythe_storage::{Content, Result};
use parking_lot::Mutex;

/// How many readers each blob has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readers(Arc<Mutex<HashMap<Digest, u32>>>);

impl Readers {
    /// The same content, which counts as being read until it is dropped.
    pub(crate) fn count(&self, digest: &Digest, content: Arc<dyn Content>) -> Arc<dyn Content> {
        *self.0.lock().entry(*digest).or_default() += 1;
        Arc::new(Counted { readers: self.clone(), digest: *digest, content })
    }

    /// Whether any of these blobs is being read.
    pub(crate) fn read_any(&self, digests: &[Digest]) -> bool {
        let readers = self.0.lock();
        !readers.is_empty() && digests.iter().any(|digest| readers.contains_key(digest))
    }
}

/// Content that is being read.
#[derive(Debug)]
struct Counted {
    readers: Readers,
    digest: Digest,
    content: Arc<dyn Content>,
}

#[async_trait::async_trait]
impl Content for Counted {
    fn size(&self) -> u64 {
        self.content.size()
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.content.read(offset, length).await
    }

    fn outlives_removal(&self) -> bool {
        self.content.outlives_removal()
    }

    fn file(&self) -> Option<&Arc<File>> {
        self.content.file()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut readers = self.readers.0.lock();
        if let Some(count) = readers.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_read_until_its_last_reader_ends() {
        let readers = Readers::default();
        let digest = Digest::of(hythe_oci::Algorithm::Sha256, b"read");
        let open = || readers.count(&digest, Arc::new(Bytes::from_static(b"read")));
        let (first, second) = (open(), open());
        drop(first);
        assert!(readers.read_any(&[digest]));
        drop(second);
        assert!(!readers.read_any(&[digest]));
    }
}
