//! Receiving a body: it is written and hashed side by side while the next bytes come in.
//!
//! SHA-256 bounds a push, so hashing has a thread of its own beside the writes, and a few batches may wait for either;
//! where there are uploads enough to keep every core at work, the threads that receive them hash them too, two at a
//! time. A long upload is saved on the way (synced, then its hash state stored), so that after a crash no more than
//! [`SAVE_EVERY`] bytes and a little need to be hashed again, and the final sync has no more to wait for.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hythe_catalog::{Catalog, Upload as Row, UploadSave};
use hythe_oci::{Algorithm, HashState, UploadId};
use hythe_storage::Upload;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::batch::Batch;
use crate::body::{Body, Piece};
use crate::growing::Written;
use crate::hashing::{Hashing, INLINE};
use crate::sessions::Turn;
use crate::shared::Shared;
use crate::twin::Twin;
use crate::writing::{Writing, joined};
use crate::{Error, Growing, Result, now};

/// An upload is saved each time so many bytes have come.
const SAVE_EVERY: u64 = 64 << 20;

/// Who reads along is told so soon of what has come, where it does not come so fast that a batch is full before.
const SOON: Duration = Duration::from_millis(1);

/// How many batches of one upload may wait to be hashed and written.
const DEPTH: usize = 8;

/// Why a body ended before its end.
pub(crate) enum Interrupted {
    /// The client, its network or its clock.
    Body(io::Error),
    /// A newer request wants the session.
    TakenOver,
    /// More bytes came than the chunk's range has.
    TooLong {
        /// How many came at least.
        actual: u64,
    },
}

/// The session that bytes go to, and how far it is.
pub(crate) struct Ingest {
    id: UploadId,
    epoch: i64,
    catalog: Catalog,
    upload: Arc<dyn Upload>,
    algorithm: Algorithm,
    /// All bytes received and handed on; those before it are written once `writing` has landed.
    offset: u64,
    hashing: Hashing,
    writing: Writing,
    /// One permit for each batch that may be handed on.
    depth: Arc<Semaphore>,
    saving: Option<JoinHandle<Result<bool>>>,
    /// Whether a part of the chunk may be kept before all of it has come.
    keep_parts: bool,
    /// Where it was last saved on the way: what comes before is written and synced, or on its way there.
    saved: u64,
    /// Set when a sync failed. The kernel says so once, and a later sync of the same bytes would say that all is well.
    sync_failed: Arc<AtomicBool>,
    /// Told of what comes and of what is written, where others read it.
    written: Option<Written>,
    /// What it is compared with, where the digest that it is to have is known and here already.
    twin: Option<Arc<Twin>>,
    hashed_all: bool,
    /// Whether the next save stores the hash state, however little came since: it would have to be found again.
    owes_state: bool,
}

/// Returns when others wait for what came after `offset` to be written; never where there are none.
async fn wanted(written: Option<&Written>, offset: u64) {
    match written {
        Some(written) => written.wanted(offset).await,
        None => std::future::pending().await,
    }
}

/// The state that was asked for.
async fn state(asked: oneshot::Receiver<HashState>) -> Result<HashState> {
    asked.await.map_err(|_| Error::Internal("the server is stopping".to_owned()))
}

impl Ingest {
    pub(crate) fn new(
        id: UploadId,
        epoch: i64,
        catalog: Catalog,
        upload: Arc<dyn Upload>,
        hash: HashState,
        saved: u64,
    ) -> Self {
        let (algorithm, offset) = (hash.algorithm(), hash.length());
        Self {
            id,
            epoch,
            catalog,
            upload: Arc::clone(&upload),
            algorithm,
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
            owes_state: saved < offset,
        }
    }

    /// From now on what comes is compared with a file of the digest that it is to have. Before any of it.
    pub(crate) fn compare(&mut self, twin: Arc<Twin>) {
        self.writing.compare(Some(Arc::clone(&twin)));
        self.twin = Some(twin);
    }

    /// Writes what was not yet written for being the same, and compares no more. Once it is settled.
    pub(crate) async fn end_comparison(&mut self) -> Result<()> {
        if let Some(twin) = self.twin.take() {
            self.writing.compare(None);
            twin.part(Arc::clone(&self.upload)).await?;
        }
        Ok(())
    }

    /// Whether each of its bytes was hashed since it was opened, so that nothing leans on a saved state.
    pub(crate) fn hashed_all(&self) -> bool {
        self.hashed_all
    }

    /// What it is compared with. Once it is settled.
    pub(crate) fn twin(&self) -> Option<&Arc<Twin>> {
        self.twin.as_ref()
    }

    /// From now on others can read what is written, up to `size` bytes.
    pub(crate) fn share(&mut self, size: u64) -> (Written, Growing) {
        let (written, growing) =
            Growing::new(size, self.offset, Arc::clone(&self.upload), self.upload.file());
        self.writing.tell(written.clone());
        self.written = Some(written.clone());
        (written, growing)
    }

    /// Whether it stands where the row says, so that the row's next chunk can go on here.
    pub(crate) fn continues(&self, row: &Row, algorithm: Algorithm) -> bool {
        (self.offset, self.epoch, self.algorithm) == (row.offset, row.epoch, algorithm)
    }

    /// Says whether a part of the chunk that comes may be kept before all of it has come.
    pub(crate) fn keep_parts(&mut self, keep: bool) {
        self.keep_parts = keep;
    }

    pub(crate) fn id(&self) -> UploadId {
        self.id
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Receives `body` up to its end, or up to what interrupts it; whatever came before that is handed on, and written
    /// once the session is saved or [settled](Self::settle). `limit` is the most bytes that may come; `count` is told
    /// how many have. Errors are the registry's own: then nothing more can be trusted.
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
        // What came and is in no batch yet.
        let mut chunk = Bytes::new();
        let mut received = 0_u64;
        let mut soon = pin!(sleep(SOON));
        let end = loop {
            let is_ready = batch.push(&mut chunk, &shared.buffers);
            if is_ready && batch.is_starved() {
                // Receiving nothing meanwhile, it gives back what it has; then there may be one for it.
                drop(self.depth.acquire_many(DEPTH as u32).await);
                batch.find_buffer(&shared.buffers);
                if !batch.is_starved() && !batch.is_full() {
                    continue;
                }
            }
            if is_ready {
                // Boxed, as it is larger than all the rest.
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
                // The rest only when nothing more has come meanwhile.
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

    /// Tells those who read along of what the batch holds by now.
    async fn tell(&self, batch: &Batch) {
        let Some(written) = &self.written else { return };
        let come = self.offset + batch.length();
        let from = written.told() - self.offset;
        written.tell(come, || batch.copy(from as usize));
        written.pace(come).await;
    }

    /// Hands a batch on, as soon as not too many wait.
    async fn process(&mut self, shared: &Shared, batch: Batch) -> Result<()> {
        // A closed semaphore cannot be: nothing closes it.
        let place = Arc::new(Arc::clone(&self.depth).acquire_owned().await.ok());
        let offset = self.offset;
        self.offset += batch.length();
        let bytes = batch.into_bytes();
        if let Some(written) = &self.written {
            // Who reads slowly keeps what was told: where that would be a part only, or memory is scarce, it is not the
            // memory that others need for what they push.
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
            self.hashing.push(bytes.clone(), Arc::clone(&place));
        }
        self.writing.push(offset, bytes.clone(), place).await?;
        if hash_here {
            shared.pairs.update(&self.hashing, bytes).await?;
        }
        self.save_on_the_way().await
    }

    /// Begins to save it where much has come since; what comes next does not wait for that.
    async fn save_on_the_way(&mut self) -> Result<()> {
        let busy = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if busy || self.offset - self.saved < SAVE_EVERY {
            return Ok(());
        }
        if self.twin.as_ref().is_some_and(|twin| twin.is_followed()) {
            // Nothing is written, so nothing can be found again.
            return Ok(());
        }
        self.land_save().await?;
        self.saved = self.offset;
        // A chunk that may yet be refused must leave the row alone: other bytes could then be written over those whose
        // hash a power loss may bring back. Its bytes are synced all the same.
        let row = self.keep_parts.then(|| (self.save_row(), self.hashing.state()));
        self.owes_state |= row.is_none();
        let (catalog, written, sync) = (self.catalog.clone(), self.writing.mark(), self.sync());
        self.saving = Some(tokio::spawn(async move {
            if written.await.is_err() {
                // A write failed, which the next one tells.
                return Ok(false);
            }
            match row {
                Some((row, asked)) => save(catalog, sync, row, asked).await,
                None => sync.await.map(|()| true),
            }
        }));
        Ok(())
    }

    /// Waits for the save on the way, if there is one.
    async fn land_save(&mut self) -> Result<()> {
        match self.saving.take() {
            Some(saving) => joined(saving).await.and_then(|saved| saved).map(|_| ()),
            None => Ok(()),
        }
    }

    fn sync(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let (upload, failed) = (Arc::clone(&self.upload), Arc::clone(&self.sync_failed));
        async move {
            let synced = upload.sync().await;
            failed.fetch_or(synced.is_err(), Ordering::Relaxed);
            Ok(synced?)
        }
    }

    /// Whether bytes that were acknowledged as this session's may be lost: nothing of it can be trusted any more.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Relaxed)
    }

    /// The row without its state, which comes when it is asked for.
    fn save_row(&self) -> UploadSave {
        UploadSave {
            id: self.id,
            epoch: self.epoch,
            offset: self.offset,
            algorithm: self.algorithm,
            state: None,
            now: now(),
        }
    }

    /// Stores how far it is. The session can be continued from here after a kill; after a power loss from where it was
    /// last saved with its hash state, which this does where much has come since. [`Error::UploadTakenOver`] where
    /// someone else has it now.
    pub(crate) async fn save(&mut self) -> Result<()> {
        self.settle().await?;
        self.end_comparison().await?;
        let row = self.save_row();
        let saved = if self.owes_state || self.offset - self.saved >= SAVE_EVERY {
            let asked = self.hashing.state();
            let saved = save(self.catalog.clone(), self.sync(), row, asked).await?;
            (self.saved, self.owes_state) = (self.offset, false);
            saved
        } else {
            self.catalog.save_upload(row).await?
        };
        if saved { Ok(()) } else { Err(Error::UploadTakenOver(self.id)) }
    }

    /// Waits until nothing is under way, neither a write, which the next owner must not meet, nor a save: an older
    /// offset must not be stored after a newer one. The first error of either.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let landed = self.writing.land().await;
        let saved = self.land_save().await;
        landed.and(saved)
    }

    /// All bytes' hash, and the file. Once it is settled.
    pub(crate) async fn whole(&self) -> Result<(HashState, Arc<dyn Upload>)> {
        Ok((state(self.hashing.state()).await?, Arc::clone(&self.upload)))
    }
}

async fn save(
    catalog: Catalog,
    sync: impl Future<Output = Result<()>>,
    row: UploadSave,
    asked: oneshot::Receiver<HashState>,
) -> Result<bool> {
    // The state may be trusted only for bytes that were synced before it was stored (ARCHITECTURE.md, What always
    // holds).
    sync.await?;
    let state = state(asked).await?.save();
    Ok(catalog.save_upload(UploadSave { state: Some(state), ..row }).await?)
}

/// Hashes what a file has after what `hash` has taken, up to `offset`: the way back where no state can be trusted.
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
        // One piece at a time: this is the rare way, and has no buffers.
        hashing.push(chunk, Arc::default());
        hash = state(hashing.state()).await?;
    }
    Ok(hash)
}
