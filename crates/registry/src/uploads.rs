//! Upload sessions: starts, continues, finishes and cancels them (distribution-spec, Pushing blobs).
//!
//! Each body is received in a task of its own. A connection that goes away ends the body, but never the task, so that
//! the received bytes are saved and the session has no second writer.

use std::sync::Arc;

use hythe_catalog::{EndedUpload, Provenance, Upload as Row, UploadSave, UploadStart};
use hythe_oci::{Algorithm, Digest, HashState, RepositoryName, UploadId};
use hythe_storage::{BlobKey, Owner};
use tokio::sync::OwnedSemaphorePermit;

use crate::body::Body;
use crate::commit::Making;
use crate::ingest::{Ingest, Interrupted, hash_again};
use crate::joined::joined;
use crate::sessions::Turn;
use crate::twin::Found;
use crate::{Error, Inner, Repository, Result};

/// A session that waits for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// The id of the session.
    pub id: UploadId,
    /// How many bytes the session has. The next chunk starts at this offset.
    pub offset: u64,
}

/// What the headers of a request say about the chunk in its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The offset at which the chunk starts, if the client says it.
    pub start: Option<u64>,
    /// The length of the chunk's range, if the client gives a range.
    pub range_length: Option<u64>,
    /// The length of the body, if the client says it.
    pub length: Option<u64>,
}

/// The outcome of a request to start an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The repository has the blob now: the client need not send it.
    Mounted(Digest),
    /// A session was started and waits for bytes.
    Session(UploadStatus),
}

impl Repository<'_> {
    /// Starts a session. `algorithm` is that of the digest with which the client will finish the upload.
    pub async fn start_upload(&self, algorithm: Algorithm) -> Result<UploadStatus> {
        self.inner().check_space().await?;
        let id = UploadId::random();
        self.inner().start(id, self.name, algorithm, None).await?;
        Ok(UploadStatus { id, offset: 0 })
    }

    /// The progress of a session.
    pub async fn upload_status(&self, id: UploadId) -> Result<UploadStatus> {
        let row = self.inner().upload_row(self.name, id).await?;
        Ok(UploadStatus { id, offset: row.offset })
    }

    /// Ends a session and removes its bytes.
    pub async fn cancel_upload(&self, id: UploadId) -> Result<()> {
        let (inner, name) = (Arc::clone(&self.registry.0), self.name.clone());
        // This runs to its end even if the caller goes away: otherwise the removal, still running on its blocking
        // thread, could hit the session that the next request continues.
        detached(async move {
            let _turn = inner.sessions.take(id).await;
            inner.upload_row(&name, id).await?;
            // A cancel ends the session whichever process owns it, so that no request continues it.
            if inner.forget_upload(id, None).await? { Ok(()) } else { Err(Error::UploadUnknown(id)) }
        })
        .await
    }

    /// Adds a chunk to a session. The whole chunk survives a restart of the process. A power loss may set the session
    /// back to an earlier offset; the answer to the next chunk says so.
    pub async fn append<S>(&self, id: UploadId, chunk: Chunk, body: S) -> Result<UploadStatus>
    where
        S: Body + Send + 'static,
    {
        self.inner().check_space().await?;
        let permit = self.inner().body().await?;
        let (inner, name) = (Arc::clone(&self.registry.0), self.name.clone());
        detached(async move { inner.append(&name, id, chunk, body, permit).await }).await
    }

    /// Adds the last chunk, which may be empty, and makes the session the blob `digest`.
    pub async fn finish_upload<S>(&self, id: UploadId, digest: Digest, chunk: Chunk, body: S) -> Result<()>
    where
        S: Body + Send + 'static,
    {
        let permit = self.inner().body().await?;
        let (inner, to) = (Arc::clone(&self.registry.0), self.receiving());
        detached(async move { inner.finish(&to, id, digest, chunk, body, permit).await }).await
    }

    /// Pushes a whole blob in one request. Its session has no id that a client knows.
    pub async fn push_blob<S>(&self, digest: Digest, length: Option<u64>, body: S) -> Result<()>
    where
        S: Body + Send + 'static,
    {
        self.inner().check_space().await?;
        let permit = self.inner().body().await?;
        let (inner, to) = (Arc::clone(&self.registry.0), self.receiving());
        detached(async move {
            let id = UploadId::random();
            inner.start(id, &to.name, digest.algorithm(), Some(digest)).await?;
            let chunk = Chunk { length, ..Chunk::default() };
            let result = inner.finish(&to, id, digest, chunk, body, permit).await;
            if result.is_err() {
                // No client knows the id, so no client can continue the session.
                let _turn = inner.sessions.take(id).await;
                inner.forget_upload(id, None).await?;
            }
            result
        })
        .await
    }
}

/// The repository that gets a blob, and the provenance of what is written into it.
struct Receiving {
    name: RepositoryName,
    provenance: Provenance,
}

impl Repository<'_> {
    fn receiving(&self) -> Receiving {
        Receiving { name: self.name.clone(), provenance: self.provenance_of_writes() }
    }
}

/// Runs `work` to its end, even if the caller goes away.
async fn detached<T, W>(work: W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    joined(tokio::spawn(work)).await?
}

impl Inner {
    async fn upload_row(&self, name: &RepositoryName, id: UploadId) -> Result<Row> {
        self.catalog.upload(name, &id).await?.ok_or(Error::UploadUnknown(id))
    }

    async fn start(
        &self,
        id: UploadId,
        name: &RepositoryName,
        algorithm: Algorithm,
        digest: Option<Digest>,
    ) -> Result<()> {
        let repository = name.clone();
        let row = UploadStart { id, repository, algorithm, digest, fetch: false, now: self.now() };
        self.parked.park(self.begin(row).await?);
        Ok(())
    }

    /// The permit to receive a body, until dropped.
    pub(crate) async fn body(&self) -> Result<OwnedSemaphorePermit> {
        self.ingest.body(&self.sessions).await
    }

    /// Begins a session.
    pub(crate) async fn begin(&self, row: UploadStart) -> Result<Ingest> {
        let (id, algorithm) = (row.id, row.algorithm);
        let owner = self.storage.fence(id).owned_by(Row::FIRST_EPOCH);
        // The row comes before the file: a file without a row would never be found again.
        self.catalog.start_upload(row).await?;
        let upload = self.opening(|| self.storage.open_upload(&owner, 0)).await?;
        let (catalog, clock) = (self.catalog.clone(), Arc::clone(&self.clock));
        let held = self.usage.open(id, 0);
        Ok(Ingest::new(owner, catalog, clock, upload, HashState::new(algorithm), 0, held))
    }

    /// Ends a session and removes it; with an `epoch`, only if no later claim came. False if it did nothing.
    pub(crate) async fn forget_upload(&self, id: UploadId, epoch: Option<i64>) -> Result<bool> {
        match self.catalog.end_upload(&id, epoch).await? {
            Some(ended) => self.clear_upload(ended).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Removes what an ended session left: the files before the row, because a file without a row would never be found
    /// again. To remove the blob's file is safe: while the upload has a row, its generation is not live and never was.
    /// The upload goes first: from then on no earlier owner can give it the blob's name.
    pub(crate) async fn clear_upload(&self, EndedUpload { id, named }: EndedUpload) -> Result<()> {
        drop(self.parked.take(id));
        self.storage.remove_upload(id).await?;
        if let Some(digest) = named {
            self.storage.remove_blob(&BlobKey { digest, generation: id }).await?;
        }
        self.catalog.delete_upload(&id).await?;
        Ok(())
    }

    /// Takes up a session at its offset, after a check that the chunk starts there. `algorithm` hashes its bytes; `None`
    /// means the row's.
    async fn open(
        &self,
        name: &RepositoryName,
        id: UploadId,
        algorithm: Option<Algorithm>,
        chunk: Chunk,
    ) -> Result<(Row, Ingest)> {
        let mut row = self.upload_row(name, id).await?;
        if let Some(start) = chunk.start.filter(|start| *start != row.offset) {
            return Err(Error::ChunkOutOfOrder { start, offset: row.offset, id: row.id });
        }
        if let (Some(expected), Some(actual)) = (chunk.range_length, chunk.length)
            && expected != actual
        {
            return Err(Error::ChunkLength { expected, actual });
        }
        let continues = |ingest: &Ingest| ingest.continues(&row, algorithm.unwrap_or(row.algorithm));
        let parked = self.parked.take(id).filter(continues);
        let mut ingest = if let Some(ingest) = parked {
            ingest
        } else {
            let Some((claimed, owner)) = self.claim(name, id, chunk.start).await? else {
                // Another process changed the session since the row was read.
                let Row { offset, .. } = self.upload_row(name, id).await?;
                return Err(Error::ChunkOutOfOrder { start: chunk.start.unwrap_or(row.offset), offset, id });
            };
            row = claimed;
            self.reopen(&row, owner, algorithm.unwrap_or(row.algorithm)).await?
        };
        ingest.keep_parts(chunk.range_length.is_none());
        Ok((row, ingest))
    }

    /// Claims a session that this process does not own; with an `offset`, only if the session is at that offset. `None`
    /// if nothing was claimed.
    pub(crate) async fn claim(
        &self,
        name: &RepositoryName,
        id: UploadId,
        offset: Option<u64>,
    ) -> Result<Option<(Row, Owner)>> {
        // The fence comes before the claim (`Fence`).
        let fence = self.storage.fence(id);
        let claimed = self.catalog.claim_upload(name, &id, offset, self.now()).await?;
        Ok(claimed.map(|row| {
            let owner = fence.owned_by(row.epoch);
            (row, owner)
        }))
    }

    /// Opens a claimed session from its row and its file.
    pub(crate) async fn reopen(&self, row: &Row, owner: Owner, algorithm: Algorithm) -> Result<Ingest> {
        if let Some(digest) = row.named {
            // The end of the upload was interrupted after the file got the blob's name and before the catalog recorded
            // the blob. No client was told of that blob, but the bytes may have been acknowledged as this session's.
            self.storage.unpublish(&owner, &digest).await?;
        }
        let saved = row.state.as_deref().and_then(|state| HashState::load(row.algorithm, state).ok());
        let durable = saved.as_ref().map_or(0, HashState::length);
        let opened = self.opening(|| self.storage.open_upload(&owner, row.offset)).await;
        let upload = match opened {
            Err(hythe_storage::Error::UploadLost { found, .. }) if found >= durable => {
                // A power loss took the bytes that were not yet durable. The session continues behind the durable ones.
                let back = UploadSave {
                    id: row.id,
                    epoch: row.epoch,
                    from: row.offset,
                    offset: durable,
                    algorithm: row.algorithm,
                    state: None,
                    now: self.now(),
                };
                if !self.catalog.save_upload(back).await? {
                    return Err(Error::UploadTakenOver(row.id));
                }
                return Err(Error::ChunkOutOfOrder { start: row.offset, offset: durable, id: row.id });
            }
            Err(hythe_storage::Error::UploadLost { .. }) => {
                // Durable bytes are lost, so the session cannot be continued.
                self.forget_upload(row.id, Some(row.epoch)).await?;
                return Err(Error::UploadUnknown(row.id));
            }
            other => other?,
        };
        let usable = |hash: &HashState| hash.algorithm() == algorithm && hash.length() <= row.offset;
        let hash = saved.filter(usable).unwrap_or_else(|| HashState::new(algorithm));
        let saved = hash.length();
        let hash = hash_again(&*upload, hash, row.offset).await?;
        let held = self.usage.open(row.id, row.offset);
        let (catalog, clock) = (self.catalog.clone(), Arc::clone(&self.clock));
        Ok(Ingest::new(owner, catalog, clock, upload, hash, saved, held))
    }

    async fn append<S>(
        &self,
        name: &RepositoryName,
        id: UploadId,
        chunk: Chunk,
        body: S,
        _permit: OwnedSemaphorePermit,
    ) -> Result<UploadStatus>
    where
        S: Body,
    {
        let mut turn = self.sessions.take(id).await;
        let (_, ingest) = self.open(name, id, None, chunk).await?;
        let mut ingest = self.receive(ingest, &mut turn, chunk, body).await?;
        match ingest.save().await {
            Ok(()) => {
                let offset = ingest.offset();
                self.parked.park(ingest);
                Ok(UploadStatus { id, offset })
            }
            Err(error) => Err(self.give_up(&mut ingest, error).await),
        }
    }

    async fn finish<S>(
        &self,
        to: &Receiving,
        id: UploadId,
        digest: Digest,
        chunk: Chunk,
        body: S,
        _permit: OwnedSemaphorePermit,
    ) -> Result<()>
    where
        S: Body,
    {
        let mut turn = self.sessions.take(id).await;
        let (row, mut ingest) = self.open(&to.name, id, Some(digest.algorithm()), chunk).await?;
        if ingest.offset() == 0
            && let Found::Twin(twin) = self.twin(&digest).await?
            && chunk.length.is_none_or(|length| length == twin.size())
        {
            ingest.compare(Arc::new(twin));
        }
        let mut ingest = self.receive(ingest, &mut turn, chunk, body).await?;
        if let Err(error) = ingest.settle().await {
            return Err(self.give_up(&mut ingest, error).await);
        }
        let size = ingest.offset();
        let (hash, upload) = ingest.whole().await?;
        let actual = hash.finish();
        if actual != digest {
            let owner = ingest.owner().clone();
            if let Err(error) = self.take_back(row, ingest).await {
                // The row may have an offset and a hash state that were saved during this request, for bytes that are
                // now refused. So the session must not stay.
                tracing::warn!(upload = %id, %error, "could not restore an upload to its state before the request with the wrong digest, so the upload is removed");
                self.remove(&owner).await;
            }
            return Err(Error::DigestMismatch { expected: digest, actual });
        }
        let owner = ingest.owner();
        let making = Making { name: &to.name, provenance: &to.provenance, owner, upload: &upload };
        let result = self.make_blob(making, digest, size, ingest.twin()).await;
        if result.is_err() {
            // The session is removed to free its space. If the catalog recorded the blob all the same, the session has
            // no row any more, and this does nothing.
            self.remove(owner).await;
        }
        result
    }

    /// Receives a body. If the body is interrupted, the session keeps the bytes that came.
    async fn receive<S>(
        &self,
        mut ingest: Ingest,
        turn: &mut Turn<'_>,
        chunk: Chunk,
        body: S,
    ) -> Result<Ingest>
    where
        S: Body,
    {
        let id = ingest.id();
        let (start, limit) = (ingest.offset(), chunk.range_length.or(chunk.length));
        let running = self.ingest.race.enter(id);
        let count = |received| running.received(received);
        let interrupted = match ingest.receive(&self.ingest, turn, body, limit, count).await {
            Ok(Ok(())) => match chunk.range_length {
                Some(expected) if ingest.offset() - start != expected => {
                    // The row still has the old offset, so the next open of the session cuts off the received bytes.
                    let actual = ingest.offset() - start;
                    return Err(self.refuse(ingest, Error::ChunkLength { expected, actual }).await);
                }
                _ => return Ok(ingest),
            },
            Ok(Err(interrupted)) => interrupted,
            Err(error) => return Err(self.give_up(&mut ingest, error).await),
        };
        match interrupted {
            Interrupted::TooLong { actual } => {
                let expected = limit.unwrap_or_default();
                Err(self.refuse(ingest, Error::ChunkLength { expected, actual }).await)
            }
            Interrupted::Body(error) => Err(self.keep_part(ingest, Error::Body(error)).await),
            Interrupted::TakenOver => {
                let why = running.gave_way().map_or(Error::UploadTakenOver(id), Error::Body);
                Err(self.keep_part(ingest, why).await)
            }
        }
    }

    /// Sets a session back to its offset before a request whose digest was wrong. The client may then name the right
    /// digest, or send the chunk again.
    async fn take_back(&self, row: Row, mut ingest: Ingest) -> Result<()> {
        if ingest.offset() == row.offset && ingest.hashed_all() {
            ingest.end_comparison().await?;
            self.parked.park(ingest);
            return Ok(());
        }
        // A hash state that was saved during the request is that of bytes which are cut off, and one that was saved
        // before may be wrong. So the row gets the empty state, and the next open hashes the file again.
        let nothing = HashState::new(row.algorithm).save();
        let Row { id, epoch, offset, algorithm, .. } = row;
        let (from, state, now) = (ingest.committed(), Some(nothing), self.now());
        // If another process claimed the session meanwhile, it goes on from the row's offset, and this saves nothing.
        self.catalog.save_upload(UploadSave { id, epoch, from, offset, algorithm, state, now }).await?;
        Ok(())
    }

    /// Ends a chunk that is not kept; returns the error for the client.
    async fn refuse(&self, mut ingest: Ingest, refusal: Error) -> Error {
        match ingest.settle().await {
            Ok(()) => refusal,
            Err(error) => self.give_up(&mut ingest, error).await,
        }
    }

    /// Saves the bytes that came before `interruption`; returns the error for the client.
    async fn keep_part(&self, mut ingest: Ingest, interruption: Error) -> Error {
        match ingest.save().await {
            Ok(()) => {
                self.parked.park(ingest);
                interruption
            }
            Err(error) => self.give_up(&mut ingest, error).await,
        }
    }

    /// Ends a session after an error of the registry; returns the error for the client. Removes the session in two
    /// cases: if the disk is full, because half a blob would only keep it full; and if a sync failed, because then
    /// bytes may not have reached the disk, and a later sync would not report that.
    async fn give_up(&self, ingest: &mut Ingest, error: Error) -> Error {
        // `error` came first, so an error of this call does not replace it.
        let _ = ingest.settle().await;
        if matches!(error, Error::NoSpace(_)) || ingest.sync_failed() {
            self.remove(ingest.owner()).await;
        }
        error
    }

    /// Removes a session that its owner cannot continue. A session that another process claimed stays. The client is
    /// told why the session cannot be continued, not whether the removal worked.
    async fn remove(&self, owner: &Owner) {
        if let Err(error) = self.forget_upload(owner.id(), Some(owner.epoch())).await {
            tracing::warn!(upload = %owner.id(), %error, "could not remove an upload that cannot be continued");
        }
    }
}
