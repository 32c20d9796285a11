//! Fetches: blobs that the registry itself downloads, in an upload session without a client, readable while they grow.
//!
//! All guarantees of uploads apply: bytes are hashed as they come, synced before they count, get the blob's name only
//! once their digest is verified, and are found again after a restart.

use std::io;
use std::sync::Arc;

use hythe_catalog::{Provenance, Upload as Row, UploadStart};
use hythe_oci::{Digest, RepositoryName, UploadId};
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::commit::Making;
use crate::growing::Written;
use crate::ingest::{Ingest, Interrupted};
use crate::{Error, Growing, Inner, Repository, Result};

/// A blob that is being fetched. A fetch that is dropped before its end can be resumed.
pub struct Fetch {
    inner: Arc<Inner>,
    repository: RepositoryName,
    provenance: Provenance,
    digest: Digest,
    size: u64,
    ingest: Ingest,
    written: Written,
    growing: Growing,
    _permit: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("digest", &self.digest)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Repository<'_> {
    /// Begins to fetch a blob of `size` bytes, or resumes an earlier fetch that was stopped. The caller makes sure that
    /// only one fetch runs at a time for each repository and digest.
    pub async fn fetch(&self, digest: &Digest, size: u64) -> Result<Fetch> {
        let inner = Arc::clone(&self.registry.0);
        let permit = inner.body().await?;
        let mut ingest = if let Some(ingest) = inner.resume(self.name, digest, size).await? {
            ingest
        } else {
            let start = UploadStart {
                id: UploadId::random(),
                repository: self.name.clone(),
                algorithm: digest.algorithm(),
                digest: Some(*digest),
                fetch: true,
                now: inner.now(),
            };
            inner.begin(start).await?
        };
        ingest.fetches(*digest, size);
        inner.make_room().await;
        let (written, growing) = ingest.share(size);
        Ok(Fetch {
            repository: self.name.clone(),
            provenance: self.provenance_of_writes(),
            digest: *digest,
            size,
            ingest,
            written,
            growing,
            inner,
            _permit: permit,
        })
    }
}

impl Inner {
    /// Resumes a stopped fetch, if its bytes are still there.
    async fn resume(&self, name: &RepositoryName, digest: &Digest, size: u64) -> Result<Option<Ingest>> {
        // A power loss may have taken bytes that were not yet durable. Then the first try corrects the row's offset,
        // and the second one resumes from there.
        for _ in 0..2 {
            let Some(found) = self.catalog.fetch(name, digest).await? else { return Ok(None) };
            let _turn = self.sessions.take(found.id).await;
            // The claim renews the session's time, so that the collector does not expire it.
            let Some((row, owner)) = self.claim(name, found.id, None).await? else { continue };
            // The bytes are hashed again as they are in the file now, without the saved state: no client knows these
            // bytes and would send them again if they had changed.
            let row = Row { state: None, ..row };
            if row.offset <= size {
                match self.reopen(&row, owner, digest.algorithm()).await {
                    Ok(ingest) => return Ok(Some(ingest)),
                    Err(Error::ChunkOutOfOrder { .. }) => continue,
                    Err(error @ Error::NoSpace(_)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(upload = %row.id, %error, "could not resume an interrupted fetch, so it starts again from the first byte");
                    }
                }
            }
            self.forget_upload(row.id, Some(row.epoch)).await?;
        }
        Ok(None)
    }
}

impl Fetch {
    /// The growing blob, for readers.
    pub fn growing(&self) -> &Growing {
        &self.growing
    }

    /// How many bytes have come: the offset from which to request the next ones.
    pub fn offset(&self) -> u64 {
        self.ingest.offset()
    }

    /// Receives the next bytes, up to the end of the body. The inner error is that of a body which ended early; the
    /// bytes that came until then are kept. The outer error is one of the registry itself.
    pub async fn receive<S>(&mut self, body: S) -> Result<io::Result<()>>
    where
        S: Body,
    {
        let mut turn = self.inner.sessions.take(self.ingest.id()).await;
        let left = self.size - self.ingest.offset();
        let broken =
            match self.ingest.receive(&self.inner.ingest, &mut turn, body, Some(left), |_| ()).await? {
                Ok(()) if self.ingest.offset() == self.size => return Ok(Ok(())),
                Ok(()) => io::ErrorKind::UnexpectedEof.into(),
                Err(Interrupted::Body(error)) => error,
                Err(Interrupted::TooLong { actual }) => {
                    return Err(Error::ChunkLength { expected: left, actual });
                }
                Err(Interrupted::TakenOver) => return Err(Error::UploadTakenOver(self.ingest.id())),
            };
        self.ingest.save().await?;
        Ok(Err(broken))
    }

    /// Whether the received bytes have the blob's digest: then they are the whole blob, whatever size was announced.
    pub async fn is_whole(&mut self) -> Result<bool> {
        self.ingest.settle().await?;
        let (hash, _) = self.ingest.whole().await?;
        Ok(hash.finish() == self.digest)
    }

    /// Ends the answers of the blob's readers with an error, because they were told a wrong size.
    pub fn cut_off(&self, reason: &str) {
        self.written.failed(reason);
    }

    /// Makes the fetched bytes a blob of the repository, once all of them have come. Readers get the last byte only
    /// after `beforehand` is done too. Returns [`Error::DigestMismatch`] if the bytes have another digest; then it
    /// keeps nothing.
    pub async fn finish(mut self, beforehand: impl Future<Output = ()>) -> Result<()> {
        let result = self.store().await;
        match &result {
            Ok(()) => {
                beforehand.await;
                self.written.whole();
            }
            Err(error) => {
                self.written.failed(&error.to_string());
                self.forget().await;
            }
        }
        result
    }

    async fn store(&mut self) -> Result<()> {
        self.ingest.settle().await?;
        let size = self.ingest.offset();
        let (hash, upload) = self.ingest.whole().await?;
        let actual = hash.finish();
        if actual != self.digest {
            return Err(Error::DigestMismatch { expected: self.digest, actual });
        }
        let (name, provenance, owner) = (&self.repository, &self.provenance, self.ingest.owner());
        let making = Making { name, provenance, owner, upload: &upload };
        self.inner.make_blob(making, self.digest, size, None).await
    }

    /// Stops the fetch for now. The received bytes are kept, and the next fetch of the same blob resumes from them.
    pub fn stop(self, reason: &str) {
        self.written.failed(reason);
    }

    /// Ends the fetch and removes the received bytes, because they cannot become the blob.
    pub async fn give_up(mut self, reason: &str) {
        self.written.failed(reason);
        let _ = self.ingest.settle().await;
        self.forget().await;
    }

    async fn forget(&self) {
        let owner = self.ingest.owner();
        // If the blob was stored all the same, the upload has no row any more, and this does nothing.
        if let Err(error) = self.inner.forget_upload(owner.id(), Some(owner.epoch())).await {
            tracing::warn!(upload = %owner.id(), %error, "could not remove the upload of a failed fetch");
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // Readers must not wait for ever. After another end of the fetch, this call has no effect.
        self.written.failed("the fetch was stopped");
    }
}
