//! What an image is made of, fetched before it is asked for.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use hythe_oci::{Digest, Manifest as Parsed, RepositoryName};
use hythe_registry::Manifest;
use quick_cache::sync::Cache as Memory;
use tokio::sync::Semaphore;

use crate::Result;
use crate::cache::Copy;
use crate::download::Stage;

/// How many manifests are remembered that nobody has got yet: clients ask by HEAD first.
const WAITING: usize = 1024;

/// How many images are fetched ahead at once. Of one more, what its client asks for is fetched, as ever.
const IMAGES: usize = 16;

/// Which manifests came, and wait for a client to get them.
#[derive(Debug)]
pub(crate) struct Prefetches {
    came: Memory<(RepositoryName, Digest), ()>,
    images: Arc<Semaphore>,
}

impl Default for Prefetches {
    fn default() -> Self {
        Self { came: Memory::new(WAITING), images: Arc::new(Semaphore::new(IMAGES)) }
    }
}

impl Copy {
    /// A manifest has come from upstream.
    pub(crate) fn came(&self, digest: Digest) {
        if self.cache.options().prefetch > 0 {
            self.cache.0.prefetches.came.insert((self.here.clone(), digest), ());
        }
    }

    /// A client got this manifest: where it came for that, what it is made of is fetched too, as the client will ask for
    /// it next. Nobody waits for it, and nobody is told when it fails.
    pub fn prefetch(&self, manifest: &Manifest) {
        let at_once = self.cache.options().prefetch;
        let prefetches = &self.cache.0.prefetches;
        if at_once == 0 || self.is_offline() {
            return;
        }
        // Of many who get it at once, one takes it out.
        if prefetches.came.remove(&(self.here.clone(), manifest.digest)).is_none() {
            return;
        }
        let Ok(image) = Arc::clone(&prefetches.images).try_acquire_owned() else { return };
        let (copy, manifest) = (self.clone(), manifest.clone());
        tokio::spawn(async move {
            let wanted = stream::iter(copy.made_of(&manifest));
            wanted.for_each_concurrent(at_once, |digest| copy.fetch_ahead(digest)).await;
            drop(image);
        });
    }

    /// The blobs that an image is made of; of an index none, whose client takes one image of many.
    fn made_of(&self, manifest: &Manifest) -> Vec<Digest> {
        let parsed = self.manifest_bytes(manifest).ok();
        let parsed = parsed.and_then(|bytes| Parsed::read(Some(&manifest.media_type), &bytes).ok());
        parsed.map(|parsed| parsed.blobs).unwrap_or_default()
    }

    async fn fetch_ahead(&self, digest: Digest) {
        if *self.cache.0.stopping.borrow() || self.is_offline() {
            return;
        }
        if let Err(error) = self.await_blob(&digest).await {
            tracing::debug!(repository = %self.here, %digest, %error, "a blob could not be fetched before it is asked for");
        }
    }

    /// Waits until the blob is here, or cannot be had.
    async fn await_blob(&self, digest: &Digest) -> Result<()> {
        self.find_blob(digest).await?;
        let Some(mut stage) = self.cache.0.downloads.stage(self, digest) else { return Ok(()) };
        let ended = stage.wait_for(|stage| matches!(stage, Stage::Stored | Stage::Failed(_))).await;
        match ended.map(|stage| stage.clone()) {
            Ok(Stage::Failed(error)) => Err(error),
            Ok(Stage::Asking | Stage::Growing(_) | Stage::Stored) | Err(_) => Ok(()),
        }
    }
}
