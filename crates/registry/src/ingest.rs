//! Receiving a body: it is written and hashed side by side while the next bytes come in.
//!
//! SHA-256 bounds a push, so hashing has a thread of its own beside the writes, and a few batches may wait for
//! either. A long upload is saved on the way (synced, then its hash state stored), so that after a crash no more than
//! [`SAVE_EVERY`] bytes and a little need to be hashed again, and the final sync has no more to wait for.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use hythe_catalog::{Catalog, Upload as Row, UploadSave};
use hythe_oci::{Algorithm, HashState, UploadId};
use hythe_storage::Upload;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::batch::{Batch, Budget};
use crate::hashing::{Hashing, Held};
use crate::sessions::Turn;
use crate::{Error, Result, now};

/// An upload is saved each time so many bytes have come.
const SAVE_EVERY: u64 = 64 << 20;

/// How many batches of one upload may wait to be hashed and written.
const DEPTH: usize = 2;

/// What all uploads share.
pub(crate) struct Shared {
    budget: Budget,
}

impl Shared {
    pub(crate) fn new(memory: usize) -> Self {
        Self { budget: Budget::new(memory) }
    }
}

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
    /// All bytes received and handed on; those before it are written once `writing` has ended.
    offset: u64,
    hashing: Hashing,
    /// The last write, which ends after all before it.
    writing: Option<JoinHandle<Result<()>>>,
    /// One permit for each batch that may be handed on.
    depth: Arc<Semaphore>,
    saving: Option<JoinHandle<Result<bool>>>,
    /// Whether a part of the chunk may be kept before all of it has come.
    keep_parts: bool,
    /// What is durable with its hash state.
    saved: u64,
    /// Whether the next save stores the hash state, however little came since: it would have to be found again.
    owes_state: bool,
}

async fn joined<T>(task: JoinHandle<T>) -> Result<T> {
    match task.await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Internal("the server is stopping".to_owned())),
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
            upload,
            algorithm,
            offset,
            hashing: Hashing::new(hash),
            writing: None,
            depth: Arc::new(Semaphore::new(DEPTH)),
            saving: None,
            keep_parts: true,
            saved,
            owes_state: saved < offset,
        }
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

    /// Receives `body` up to its end, or up to what interrupts it; whatever came before that is written.
    /// `limit` is the most bytes that may come. Errors are the registry's own: then nothing more can be trusted.
    pub(crate) async fn receive<S>(
        &mut self,
        shared: &Shared,
        turn: &mut Turn<'_>,
        body: S,
        limit: Option<u64>,
    ) -> Result<Result<(), Interrupted>>
    where
        S: Stream<Item = io::Result<Bytes>>,
    {
        let mut body = pin!(body);
        let mut batch = Batch::at(self.offset);
        let mut received = 0_u64;
        let end = loop {
            let chunk = tokio::select! {
                biased;
                () = turn.superseded() => break Err(Interrupted::TakenOver),
                chunk = body.next() => chunk,
            };
            let mut chunk = match chunk {
                None => break Ok(()),
                Some(Err(error)) => break Err(Interrupted::Body(error)),
                Some(Ok(chunk)) => chunk,
            };
            received += chunk.len() as u64;
            if limit.is_some_and(|limit| received > limit) {
                break Err(Interrupted::TooLong { actual: received });
            }
            while !chunk.is_empty() {
                if batch.push(&mut chunk, &shared.budget) {
                    self.process(batch).await?;
                    batch = Batch::at(self.offset);
                }
            }
        };
        if !batch.is_empty() {
            self.process(batch).await?;
        }
        self.land().await?;
        Ok(end)
    }

    /// Hands a batch on, as soon as not too many wait.
    async fn process(&mut self, batch: Batch) -> Result<()> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            // A write that failed ends the upload now, not when all of it has come.
            self.land().await?;
        }
        let starved = batch.is_starved();
        // A closed semaphore cannot be: nothing closes it.
        let place = Arc::clone(&self.depth).acquire_owned().await.ok();
        self.save_on_the_way().await?;
        let (upload, offset, before) = (Arc::clone(&self.upload), self.offset, self.writing.take());
        self.offset += batch.length();
        let (chunks, permit) = batch.into_parts();
        let held: Held = Arc::new([place, permit]);
        self.hashing.push(chunks.clone(), Arc::clone(&held));
        self.writing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                joined(before).await??;
            }
            upload.write(offset, chunks).await?;
            drop(held);
            Ok(())
        }));
        if starved {
            // Who has no share of the budget has one batch at a time, and receives nothing meanwhile.
            drop(self.depth.acquire_many(DEPTH as u32).await);
        }
        Ok(())
    }

    /// Waits until all bytes up to `offset` are written.
    async fn land(&mut self) -> Result<()> {
        match self.writing.take() {
            Some(writing) => joined(writing).await?,
            None => Ok(()),
        }
    }

    async fn save_on_the_way(&mut self) -> Result<()> {
        let busy = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if busy || self.offset - self.saved < SAVE_EVERY {
            return Ok(());
        }
        self.land().await?;
        self.saved = self.offset;
        // A chunk that may yet be refused must leave the row alone: other bytes could then be written over those whose
        // hash a power loss may bring back. Its bytes are synced all the same.
        let row = self.keep_parts.then(|| (self.save_row(), self.hashing.state()));
        self.owes_state |= row.is_none();
        let (catalog, upload) = (self.catalog.clone(), Arc::clone(&self.upload));
        self.saving = Some(tokio::spawn(async move {
            match row {
                Some((row, asked)) => save(catalog, upload, row, asked).await,
                None => Ok(upload.sync().await.map(|()| true)?),
            }
        }));
        Ok(())
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

    /// Stores how far it is. The session can be continued from here after a kill; after a power loss from where it
    /// was last saved with its hash state, which this does where much has come since. [`Error::UploadTakenOver`] where someone else has it now.
    pub(crate) async fn save(&mut self) -> Result<()> {
        self.land().await?;
        self.settle().await;
        let row = self.save_row();
        let saved = if self.owes_state || self.offset - self.saved >= SAVE_EVERY {
            let asked = self.hashing.state();
            let saved = save(self.catalog.clone(), Arc::clone(&self.upload), row, asked).await?;
            (self.saved, self.owes_state) = (self.offset, false);
            saved
        } else {
            self.catalog.save_upload(row).await?
        };
        if saved { Ok(()) } else { Err(Error::UploadTakenOver(self.id)) }
    }

    /// Waits until nothing is under way, neither a write, which the next owner must not meet, nor a save: an older
    /// offset must not be stored after a newer one.
    pub(crate) async fn settle(&mut self) {
        // Whoever gives up knows of the failure already.
        let _ = self.land().await;
        if let Some(saving) = self.saving.take() {
            // A save on the way that failed loses nothing that was promised; the next one tells.
            let _ = saving.await;
        }
    }

    /// All bytes' hash, and the file; nothing is under way any more.
    pub(crate) async fn finish(mut self) -> Result<(HashState, Arc<dyn Upload>)> {
        self.land().await?;
        self.settle().await;
        Ok((state(self.hashing.state()).await?, self.upload))
    }
}

async fn save(
    catalog: Catalog,
    upload: Arc<dyn Upload>,
    row: UploadSave,
    asked: oneshot::Receiver<HashState>,
) -> Result<bool> {
    // The state may be trusted only for bytes that were synced before it was stored (DESIGN, decision 3).
    upload.sync().await?;
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
        // One piece at a time: this is the rare way, and has no budget.
        hashing.push(vec![chunk], Held::default());
        hash = state(hashing.state()).await?;
    }
    Ok(hash)
}
