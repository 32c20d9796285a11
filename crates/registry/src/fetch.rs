//! A blob that the registry itself fetches: an upload session without a client, readable while it grows.
//!
//! It stands on all that holds for uploads: bytes are hashed as they come, synced before they count, named only once
//! their digest holds, and found again after a restart.

use std::io;
use std::sync::Arc;

use hythe_catalog::{Provenance, Upload as Row, UploadStart};
use hythe_oci::{Digest, RepositoryName, UploadId};
use hythe_storage::BlobKey;
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::growing::Written;
use crate::ingest::{Ingest, Interrupted};
use crate::{Error, Growing, Inner, Repository, Result, now};

/// A blob on its way. One that is dropped before its end can be taken up again.
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
    /// Begins to fetch a blob of `size` bytes, or goes on where an earlier run was stopped. One at a time for each
    /// repository and digest: that is the caller's to see to.
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
                now: now(),
            };
            inner.begin(start).await?
        };
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
    /// Takes up what an earlier run was stopped at, if its bytes are still there.
    async fn resume(&self, name: &RepositoryName, digest: &Digest, size: u64) -> Result<Option<Ingest>> {
        // A power loss may have taken what was not yet durable: the second time the row says so.
        for _ in 0..2 {
            let Some(row) = self.catalog.fetch(name, digest)? else { return Ok(None) };
            // Nobody sent these bytes who would send them again: they are hashed as they are now, not as they were.
            let row = Row { state: None, ..row };
            let _turn = self.sessions.take(row.id).await;
            if row.offset <= size {
                match self.reopen(&row, digest.algorithm()).await {
                    Ok(mut ingest) => {
                        // It has moved, as the collector sees it.
                        ingest.save().await?;
                        return Ok(Some(ingest));
                    }
                    Err(Error::ChunkOutOfOrder { .. }) => continue,
                    Err(error @ Error::NoSpace(_)) => return Err(error),
                    Err(error) => {
                        tracing::warn!(upload = %row.id, %error, "could not resume an interrupted fetch, so it starts again from the first byte");
                    }
                }
            }
            self.forget_upload(row.id, Some(*digest)).await?;
        }
        Ok(None)
    }
}

impl Fetch {
    /// What there is to read already, and will be.
    pub fn growing(&self) -> &Growing {
        &self.growing
    }

    /// How many bytes it has; the next ones are to be asked for from here.
    pub fn offset(&self) -> u64 {
        self.ingest.offset()
    }

    /// Receives the next bytes, up to the body's end or what breaks it, which is the inner error; what came until then
    /// is kept. The outer error is the registry's own.
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

    /// Whether what has come is all of the blob, whatever size was announced: its digest holds.
    pub async fn is_whole(&mut self) -> Result<bool> {
        self.ingest.settle().await?;
        let (hash, _) = self.ingest.whole().await?;
        Ok(hash.finish() == self.digest)
    }

    /// Ends the answers of those who read it, who were told another size than it has.
    pub fn cut_off(&self, reason: &str) {
        self.written.failed(reason);
    }

    /// Makes it a blob of its repository, once all of it has come, and lets nobody read its last byte before
    /// `beforehand` is done too. [`Error::DigestMismatch`] where it is not what it should be; then nothing of it is
    /// kept.
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
        let (id, size) = (self.ingest.id(), self.ingest.offset());
        let (hash, upload) = self.ingest.whole().await?;
        let actual = hash.finish();
        if actual != self.digest {
            return Err(Error::DigestMismatch { expected: self.digest, actual });
        }
        let key = BlobKey { digest: self.digest, generation: id };
        self.inner.make_blob(&self.repository, &self.provenance, &upload, key, size, None).await
    }

    /// Ends it for now. What came is kept, and taken up by the next fetch of the same blob.
    pub fn stop(self, reason: &str) {
        self.written.failed(reason);
    }

    /// Forgets what came, because it cannot become the blob.
    pub async fn give_up(mut self, reason: &str) {
        self.written.failed(reason);
        let _ = self.ingest.settle().await;
        self.forget().await;
    }

    async fn forget(&self) {
        let id = self.ingest.id();
        // Where the blob was stored all the same there is no row any more.
        if let Ok(Some(_)) = self.inner.catalog.upload(&self.repository, &id)
            && let Err(error) = self.inner.forget_upload(id, Some(self.digest)).await
        {
            tracing::warn!(upload = %id, %error, "could not remove the upload of a failed fetch");
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // Who reads must not wait for ever. After an end this says nothing.
        self.written.failed("the fetch was stopped");
    }
}
