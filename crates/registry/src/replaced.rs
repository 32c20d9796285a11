//! A blob whose bytes a push may replace while it is read.
//!
//! A push can replace the live file of its digest with its own, for example because a comparison would cost more. An
//! open file can be read to its end all the same. An object of a bucket cannot: a reader then goes on with the live one,
//! which has the same digest.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName, UploadId};
use hythe_storage::{BlobKey, Content, Result};
use parking_lot::Mutex;

use crate::Inner;

/// An open blob of a repository. If its bytes are gone, it reads on from the generation that replaced them.
pub(crate) struct Replaceable {
    inner: Arc<Inner>,
    repository: RepositoryName,
    digest: Digest,
    open: Mutex<(UploadId, Arc<dyn Content>)>,
    size: u64,
}

impl Replaceable {
    /// The blob, which was opened as this generation. Content that outlives its removal is returned as it is.
    pub(crate) fn wrap(
        inner: &Arc<Inner>,
        repository: &RepositoryName,
        digest: &Digest,
        generation: UploadId,
        content: Arc<dyn Content>,
    ) -> Arc<dyn Content> {
        if content.outlives_removal() {
            return content;
        }
        let (inner, repository, size) = (Arc::clone(inner), repository.clone(), content.size());
        Arc::new(Self { inner, repository, digest: *digest, open: Mutex::new((generation, content)), size })
    }

    /// The live generation, if it is another one than `lost`.
    async fn live(&self, lost: UploadId) -> Option<Arc<dyn Content>> {
        let row = self.inner.catalog.blob(&self.repository, &self.digest).await.ok()??;
        if row.generation == lost {
            return None;
        }
        let key = BlobKey { digest: row.digest, generation: row.generation };
        let content = self.inner.content(&key, self.size).await.ok()??;
        *self.open.lock() = (row.generation, Arc::clone(&content));
        Some(content)
    }
}

#[async_trait::async_trait]
impl Content for Replaceable {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        loop {
            let (generation, content) = self.open.lock().clone();
            match content.read(offset, length).await {
                Ok(bytes) => return Ok(bytes),
                // Each turn meets another generation, so the loop ends when the pushes do.
                Err(_) if self.live(generation).await.is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn outlives_removal(&self) -> bool {
        false
    }
}

impl fmt::Debug for Replaceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaceable").field("digest", &self.digest).finish_non_exhaustive()
    }
}
