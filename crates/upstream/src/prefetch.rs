//! Fetches the blobs of an image before a client requests them.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use hythe_oci::{Digest, Manifest as Parsed};
use hythe_registry::Manifest;

use crate::Result;
use crate::copy::RepositoryCopy;
use crate::download::Stage;

impl RepositoryCopy {
    /// Records that a manifest arrived from the upstream.
    pub(crate) fn came(&self, digest: Digest) {
        if self.cache.options().prefetch > 0 {
            self.cache.0.prefetches.came.insert((self.here.clone(), digest), ());
        }
    }

    /// Called when a client got this manifest. If it was fetched for that client, fetches its blobs in the background
    /// too, as the client will request them next. No request waits for these fetches, and their failures are only
    /// logged.
    pub fn prefetch(&self, manifest: &Manifest) {
        let at_once = self.cache.options().prefetch;
        let prefetches = &self.cache.0.prefetches;
        if at_once == 0 || self.is_offline() {
            return;
        }
        // Of many clients that get it at once, only the first one starts the fetches.
        if prefetches.came.remove(&(self.here.clone(), manifest.digest)).is_none() {
            return;
        }
        let Ok(image) = Arc::clone(&prefetches.images).try_acquire_owned() else { return };
        let (copy, manifest) = (self.clone(), manifest.clone());
        tokio::spawn(async move {
            let wanted = stream::iter(copy.made_of(&manifest).await);
            wanted.for_each_concurrent(at_once, |digest| copy.fetch_ahead(digest)).await;
            drop(image);
        });
    }

    /// The blobs of an image; none for an index, because the client takes only one of its images.
    async fn made_of(&self, manifest: &Manifest) -> Vec<Digest> {
        let parsed = self.manifest_bytes(manifest).await.ok();
        let parsed = parsed.and_then(|bytes| Parsed::read(Some(&manifest.media_type), &bytes).ok());
        parsed.map(|parsed| parsed.blobs).unwrap_or_default()
    }

    async fn fetch_ahead(&self, digest: Digest) {
        if *self.cache.0.stopping.borrow() || self.is_offline() {
            return;
        }
        if let Err(error) = self.await_blob(&digest).await {
            tracing::debug!(repository = %self.here, %digest, %error, "could not fetch a blob ahead");
        }
    }

    /// Waits until the blob is stored or its download has failed.
    async fn await_blob(&self, digest: &Digest) -> Result<()> {
        self.find_blob(digest).await?;
        let Some(mut stage) = self.cache.0.downloads.stage(self.upstream(), digest) else { return Ok(()) };
        let ended = stage.wait_for(|stage| matches!(stage, Stage::Stored | Stage::Failed(_))).await;
        match ended.map(|stage| stage.clone()) {
            Ok(Stage::Failed(error)) => Err(error),
            Ok(Stage::Asking | Stage::Growing(_) | Stage::Stored) | Err(_) => Ok(()),
        }
    }
}
