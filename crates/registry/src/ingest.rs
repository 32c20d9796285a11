//! Receives a body: writes and hashes its bytes side by side while the next bytes come in.
//!
//! SHA-256 limits the speed of a push, so hashing runs on a thread of its own beside the writes, and a few batches may
//! wait for each of them. If enough uploads run to use every core, the threads that receive them also hash them, two at
//! a time. A long upload is saved while it comes (synced, then its hash state stored). So after a crash little more
//! than [`SAVE_EVERY`] bytes need to be hashed again, and the final sync has no more than that to wait for.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hythe_catalog::{Catalog, Upload as Row, UploadSave};
use hythe_oci::{Algorithm, Digest, HashState, UploadId};
use hythe_storage::{Owner, Upload};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::batch::Batch;
use crate::body::{Body, Piece};
use crate::clock::{Clock, stamp};
use crate::growing::Written;
use crate::hashing::{Hashing, INLINE};
use crate::joined::joined;
use crate::sessions::Turn;
use crate::shared::Shared;
use crate::twin::Twin;
use crate::usage::Held;
use crate::writing::Writing;
use crate::{Error, Growing, Result};

/// How many bytes come between two saves of an upload.
const SAVE_EVERY: u64 = 64 << 20;

/// How long received bytes may wait before readers of a fetch are told of them, if no batch becomes full before.
const SOON: Duration = Duration::from_millis(1);

/// How many batches of one upload may wait to be hashed or written.
const DEPTH: usize = 8;

/// Why a body was interrupted before its end.
pub(crate) enum Interrupted {
    /// The body itself failed: the client, the network, or a time limit ended it.
    Body(io::Error),
    /// A newer request wants the session.
    TakenOver,
    /// The body has more bytes than the chunk's range.
    TooLong {
        /// How many bytes came; the body may have more.
        actual: u64,
    },
}

/// An open upload session, its progress, and the work on its bytes.
pub(crate) struct Ingest {
    owner: Owner,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    upload: Arc<dyn Upload>,
    algorithm: Algorithm,
    /// The offset that the row has.
    committed: u64,
    /// How many bytes were received and handed on. All of them are written once `writing` has landed.
    offset: u64,
    hashing: Hashing,
    writing: Writing,
    /// One permit for each batch that may wait to be hashed or written.
    depth: Arc<Semaphore>,
    /// Returns the offset that it stored in the row, if it stored one.
    saving: Option<JoinHandle<Result<Option<u64>>>>,
    /// Whether a part of the chunk may be kept before the whole chunk has come.
    keep_parts: bool,
    /// The offset of the last save with a sync: the bytes before it are synced, or are being written and synced.
    saved: u64,
    /// Whether a sync failed. The kernel reports such a failure once; a later sync of the same bytes would succeed.
    sync_failed: Arc<AtomicBool>,
    /// Tells readers of the received and the written bytes, if this is a fetch that others read.
    written: Option<Written>,
    /// The file with which the bytes are compared, if the registry already has the digest that the client named.
    twin: Option<Arc<Twin>>,
    hashed_all: bool,
    /// Counts the bytes in the registry's usage.
    held: Held,
    /// Whether the next save stores the hash state, however few bytes came since the last one: without it, the bytes
    /// would have to be hashed again.
    owes_state: bool,
}

/// Returns when readers wait for the bytes behind `offset` to be written; never if nobody can read the upload.
async fn wanted(written: Option<&Written>, offset: u64) {
    match written {
        Some(written) => written.wanted(offset).await,
        None => std::future::pending().await,
    }
}

/// Waits for the hash state that was requested.
async fn state(asked: oneshot::Receiver<HashState>) -> Result<HashState> {
    asked.await.map_err(|_| Error::Internal("the server is stopping".to_owned()))
}

impl Ingest {
    pub(crate) fn new(
        owner: Owner,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        upload: Arc<dyn Upload>,
        hash: HashState,
        saved: u64,
        held: Held,
    ) -> Self {
        let (algorithm, offset) = (hash.algorithm(), hash.length());
        Self {
            owner,
            catalog,
            clock,
            upload: Arc::clone(&upload),
            algorithm,
            committed: offset,
            offset,
            hashing: Hashing::new(hash),
            writing: Writing::new(upload),
            depth: Arc::new(Semaphore::new(DEPTH)),
            saving: None,
            keep_parts: true,
            saved,
            sync_failed: Arc::default(),
            written: None,
            twin: None,
            hashed_all: saved == 0,
            held,
            owes_state: saved < offset,
        }
    }

    /// Compares the bytes that come with the twin, which already has the upload's digest. Equal bytes are not written, so
    /// a twin that does not outlive its removal is not used. Called before any byte comes.
    pub(crate) fn compare(&mut self, twin: Arc<Twin>) {
        if twin.outlives_removal() {
            self.writing.compare(Some(Arc::clone(&twin)));
            self.twin = Some(twin);
        }
    }

    /// Ends the comparison: writes the bytes that were not written because the twin has them. Called once the session
    /// is settled.
    pub(crate) async fn end_comparison(&mut self) -> Result<()> {
        if let Some(twin) = self.twin.take() {
            self.writing.compare(None);
            twin.part(&*self.upload).await?;
        }
        Ok(())
    }

    /// Whether each byte of the session was hashed since it was opened, so that its hash relies on no saved state.
    pub(crate) fn hashed_all(&self) -> bool {
        self.hashed_all
    }

    /// The file with which the bytes were compared. Called once the session is settled.
    pub(crate) fn twin(&self) -> Option<&Arc<Twin>> {
        self.twin.as_ref()
    }

    /// Lets readers read the upload while it grows, up to `size` bytes.
    pub(crate) fn share(&mut self, size: u64) -> (Written, Growing) {
        let (written, growing) =
            Growing::new(size, self.offset, Arc::clone(&self.upload), self.upload.file());
        self.writing.tell(written.clone());
        self.written = Some(written.clone());
        (written, growing)
    }

    /// The upload is that of a fetch of this blob, which has `size` bytes.
    pub(crate) fn fetches(&self, digest: Digest, size: u64) {
        self.held.fetches(digest, size);
    }

    /// Whether this session is still the row's owner and at its offset, so that the next chunk can continue it.
    pub(crate) fn continues(&self, row: &Row, algorithm: Algorithm) -> bool {
        (self.offset, self.owner.epoch(), self.algorithm) == (row.offset, row.epoch, algorithm)
    }

    /// Sets whether a part of the next chunk may be kept before the whole chunk has come.
    pub(crate) fn keep_parts(&mut self, keep: bool) {
        self.keep_parts = keep;
    }

    pub(crate) fn id(&self) -> UploadId {
        self.owner.id()
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The offset that the row has, unless another request has claimed the session.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Receives `body` up to its end, or up to an interruption. The bytes before that are handed on; they are written
    /// once the session is saved or [settled](Self::settle). `limit` is the most bytes that may come; `count` is told
    /// how many have come. The outer error is one of the registry itself: then the session's state can no longer be
    /// trusted.
    pub(crate) async fn receive<S>(
        &mut self,
        shared: &Shared,
        turn: &mut Turn<'_>,
        body: S,
        limit: Option<u64>,
        count: impl Fn(u64),
    ) -> Result<Result<(), Interrupted>>
    where
        S: Body,
    {
        let mut body = pin!(body);
        let mut batch = Batch::at(self.offset);
        // Received bytes that are in no batch yet.
        let mut chunk = Bytes::new();
        let mut received = 0_u64;
        let mut soon = pin!(sleep(SOON));
        let end = loop {
            let is_ready = batch.push(&mut chunk, &shared.buffers);
            if is_ready && batch.is_starved() {
                // No buffer is free. Waits until all batches of this upload are done, which frees their buffers; one of
                // them may then be free for this batch.
                drop(self.depth.acquire_many(DEPTH as u32).await);
                batch.find_buffer(&shared.buffers);
                if !batch.is_starved() && !batch.is_full() {
                    continue;
                }
            }
            if is_ready {
                // Boxed, because this future is larger than the rest of the function's.
                let was_full = batch.is_full();
                Box::pin(self.process(shared, batch)).await?;
                batch = if was_full {
                    Batch::behind_full(self.offset, &shared.buffers)
                } else {
                    Batch::at(self.offset)
                };
                continue;
            }
            let come = self.offset + batch.length();
            let untold = self.written.as_ref().filter(|written| written.told() < come);
            if untold.is_some_and(Written::is_urgent) {
                self.tell(&batch).await;
                continue;
            }
            let has_untold = untold.is_some();
            let piece = tokio::select! {
                biased;
                () = turn.superseded() => break Err(Interrupted::TakenOver),
                piece = poll_fn(|cx| body.as_mut().poll_piece(cx, batch.space())) => piece,
                // These branches come last, so that they run only if no more bytes have come meanwhile.
                () = wanted(self.written.as_ref(), self.offset), if batch.length() > 0 => {
                    Box::pin(self.process(shared, batch)).await?;
                    batch = Batch::at(self.offset);
                    continue;
                }
                () = &mut soon, if has_untold => {
                    self.tell(&batch).await;
                    continue;
                }
            };
            let piece = match piece {
                None => break Ok(()),
                Some(Err(error)) => break Err(Interrupted::Body(error)),
                Some(Ok(piece)) => piece,
            };
            if self.written.is_some() && !has_untold {
                soon.as_mut().reset(Instant::now() + SOON);
            }
            received += piece.length() as u64;
            count(received);
            if limit.is_some_and(|limit| received > limit) {
                break Err(Interrupted::TooLong { actual: received });
            }
            match piece {
                Piece::Bytes(bytes) => chunk = bytes,
                Piece::Read(length) => batch.filled(length),
            }
        };
        if batch.length() > 0 {
            Box::pin(self.process(shared, batch)).await?;
        }
        Ok(end)
    }

    /// Tells readers of the bytes that the batch holds by now.
    async fn tell(&self, batch: &Batch) {
        let Some(written) = &self.written else { return };
        let come = self.offset + batch.length();
        let from = written.told() - self.offset;
        written.tell(come, || batch.copy(from as usize));
        written.pace(come).await;
    }

    /// Hands a batch on to be hashed and written, as soon as fewer than [`DEPTH`] wait.
    async fn process(&mut self, shared: &Shared, batch: Batch) -> Result<()> {
        // The only error is a closed semaphore, and nothing closes this one.
        let permit = Arc::new(Arc::clone(&self.depth).acquire_owned().await.ok());
        let offset = self.offset;
        self.offset += batch.length();
        self.held.add(batch.length());
        let bytes = batch.into_bytes();
        if let Some(written) = &self.written {
            // A slow reader keeps the bytes that it was told of, and with them their buffer. If only a part of the
            // buffer is new to readers, or if buffers are scarce, readers get a copy, so that the buffer is free for
            // other uploads.
            let (told, is_scarce) = (written.told(), shared.buffers.are_scarce());
            written.tell(self.offset, || {
                if told == offset && !is_scarce {
                    bytes.clone()
                } else {
                    Bytes::copy_from_slice(&bytes[(told - offset) as usize..])
                }
            });
            written.pace(self.offset).await;
        }
        let hash_here = bytes.len() > INLINE && shared.is_crowded() && self.hashing.is_idle();
        if !hash_here {
            self.hashing.push(bytes.clone(), Arc::clone(&permit));
        }
        self.writing.push(offset, bytes.clone(), permit).await?;
        if hash_here {
            shared.pairs.update(&self.hashing, bytes).await?;
        }
        self.save_on_the_way().await
    }

    /// Begins to save the session if [`SAVE_EVERY`] bytes have come since the last save. The next bytes do not wait for
    /// it.
    async fn save_on_the_way(&mut self) -> Result<()> {
        let busy = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if busy || self.offset - self.saved < SAVE_EVERY {
            return Ok(());
        }
        if self.twin.as_ref().is_some_and(|twin| twin.is_followed()) {
            // The bytes equal the twin's and are not written, so after a crash none could be continued.
            return Ok(());
        }
        self.land_save().await?;
        self.saved = self.offset;
        // A chunk that may still be refused must not change the row: a later chunk could overwrite its bytes, and a
        // power loss could then restore a row with the hash of the overwritten bytes. The bytes are synced all the
        // same.
        let row = self.keep_parts.then(|| (self.save_row(), self.hashing.state()));
        self.owes_state |= row.is_none();
        let (catalog, written, sync) = (self.catalog.clone(), self.writing.mark(), self.sync());
        self.saving = Some(tokio::spawn(async move {
            if written.await.is_err() {
                // A write failed; the next write returns its error.
                return Ok(None);
            }
            match row {
                Some((row, asked)) => save(catalog, sync, row, asked).await.map(Some),
                None => sync.await.map(|()| None),
            }
        }));
        Ok(())
    }

    /// Waits for the save that runs, if there is one.
    async fn land_save(&mut self) -> Result<()> {
        if let Some(saving) = self.saving.take()
            && let Some(offset) = joined(saving).await??
        {
            self.committed = offset;
        }
        Ok(())
    }

    fn sync(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let (upload, failed) = (Arc::clone(&self.upload), Arc::clone(&self.sync_failed));
        async move {
            let synced = upload.sync().await;
            failed.fetch_or(synced.is_err(), Ordering::Relaxed);
            Ok(synced?)
        }
    }

    /// Whether a sync failed: acknowledged bytes of this session may be lost, so it cannot be trusted any more.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Relaxed)
    }

    /// The row to save, without the hash state, which is requested separately.
    fn save_row(&self) -> UploadSave {
        UploadSave {
            id: self.owner.id(),
            epoch: self.owner.epoch(),
            from: self.committed,
            offset: self.offset,
            algorithm: self.algorithm,
            state: None,
            now: stamp(self.clock.now()),
        }
    }

    /// Saves the session's offset. After a kill the session continues from here; after a power loss, from the last save
    /// with a hash state, which this call makes too if [`SAVE_EVERY`] bytes have come since. Returns
    /// [`Error::UploadTakenOver`] if another request claimed the session.
    pub(crate) async fn save(&mut self) -> Result<()> {
        self.settle().await?;
        self.end_comparison().await?;
        let row = self.save_row();
        if self.owes_state || self.offset - self.saved >= SAVE_EVERY {
            let asked = self.hashing.state();
            self.committed = save(self.catalog.clone(), self.sync(), row, asked).await?;
            (self.saved, self.owes_state) = (self.offset, false);
        } else {
            self.upload.flush().await?;
            self.committed = store(&self.catalog, row).await?;
        }
        Ok(())
    }

    /// Waits until no write and no save runs: a late write must not hit the session's next owner, and a late save must
    /// not store an older offset after a newer one. Returns the first error of either.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let landed = self.writing.land().await;
        let saved = self.land_save().await;
        landed.and(saved)
    }

    /// The hash of all bytes, and the upload. Called once the session is settled.
    pub(crate) async fn whole(&self) -> Result<(HashState, Arc<dyn Upload>)> {
        Ok((state(self.hashing.state()).await?, Arc::clone(&self.upload)))
    }
}

/// Stores the session's offset; returns it.
async fn store(catalog: &Catalog, row: UploadSave) -> Result<u64> {
    let (id, offset) = (row.id, row.offset);
    if catalog.save_upload(row).await? { Ok(offset) } else { Err(Error::UploadTakenOver(id)) }
}

/// Stores the session's offset and hash state after a sync; returns the offset.
async fn save(
    catalog: Catalog,
    sync: impl Future<Output = Result<()>>,
    row: UploadSave,
    asked: oneshot::Receiver<HashState>,
) -> Result<u64> {
    // A hash state may be trusted only for bytes that were synced before it was stored (ARCHITECTURE.md, Invariants).
    sync.await?;
    let state = state(asked).await?.save();
    store(&catalog, UploadSave { state: Some(state), ..row }).await
}

/// Hashes the file's bytes behind those that `hash` already took, up to `offset`: for bytes that no trusted state
/// covers.
pub(crate) async fn hash_again(upload: &dyn Upload, mut hash: HashState, offset: u64) -> Result<HashState> {
    const STEP: u64 = 1 << 20;
    let hashing = Hashing::new(hash.clone());
    while hash.length() < offset {
        let at = hash.length();
        let chunk = upload.read(at, STEP.min(offset - at) as usize).await?;
        if chunk.is_empty() {
            return Err(Error::Internal(format!(
                "an upload's file ends at byte {at}, before its offset {offset}"
            )));
        }
        // One piece at a time: this case is rare, so it takes no shared buffers.
        hashing.push(chunk, Arc::default());
        hash = state(hashing.state()).await?;
    }
    Ok(hash)
}
