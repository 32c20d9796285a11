//! Receiving a body: it is written and hashed side by side while the next bytes come in.
//!
//! SHA-256 bounds a push, so hashing has a thread of its own beside the write; a batch is in flight while the next
//! one fills. A long body is saved on the way (synced, then its hash state stored), so that neither a crash nor the
//! final sync has more than [`SAVE_EVERY`] bytes to lose or to wait for.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use hythe_catalog::{Catalog, UploadSave};
use hythe_oci::{Algorithm, HashState, UploadId};
use hythe_storage::Upload;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::batch::{Batch, Budget};
use crate::sessions::Turn;
use crate::{Error, Result, now};

/// A body is saved each time so many bytes have come.
const SAVE_EVERY: u64 = 64 << 20;

/// Batches this small are hashed where they are: handing them over costs more.
const HASH_INLINE: usize = 32 << 10;

/// What all uploads share.
pub(crate) struct Shared {
    budget: Budget,
    /// Bounds how many batches are processed at once, so that hashing threads do not outnumber cores for long.
    slots: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(memory: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { budget: Budget::new(memory), slots: Arc::new(Semaphore::new(cores * 2)) }
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
    /// All bytes received and handed on; those before it are written once `flight` has landed.
    offset: u64,
    /// `None` while a batch is in flight, which has it.
    hash: Option<HashState>,
    flight: Option<JoinHandle<Result<HashState>>>,
    saving: Option<JoinHandle<Result<bool>>>,
    /// What is durable with its hash state.
    saved: u64,
}

async fn joined<T>(task: JoinHandle<T>) -> Result<T> {
    match task.await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Internal("the server is stopping".to_owned())),
    }
}

async fn hash_all(mut hash: HashState, chunks: Vec<Bytes>, length: usize) -> Result<HashState> {
    let work = move || {
        for chunk in &chunks {
            hash.update(chunk);
        }
        hash
    };
    if length <= HASH_INLINE { Ok(work()) } else { joined(spawn_blocking(work)).await }
}

impl Ingest {
    pub(crate) fn new(
        id: UploadId,
        epoch: i64,
        catalog: Catalog,
        upload: Arc<dyn Upload>,
        offset: u64,
        hash: HashState,
    ) -> Self {
        let algorithm = hash.algorithm();
        Self {
            id,
            epoch,
            catalog,
            upload,
            algorithm,
            offset,
            hash: Some(hash),
            flight: None,
            saving: None,
            saved: offset,
        }
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
        let mut batch = Batch::default();
        let mut received = 0_u64;
        let end = loop {
            let chunk = tokio::select! {
                biased;
                () = turn.superseded() => break Err(Interrupted::TakenOver),
                chunk = body.next() => chunk,
            };
            let chunk = match chunk {
                None => break Ok(()),
                Some(Err(error)) => break Err(Interrupted::Body(error)),
                Some(Ok(chunk)) => chunk,
            };
            received += chunk.len() as u64;
            if limit.is_some_and(|limit| received > limit) {
                break Err(Interrupted::TooLong { actual: received });
            }
            if batch.push(chunk, &shared.budget) {
                self.process(shared, std::mem::take(&mut batch)).await?;
            }
        };
        if !batch.is_empty() {
            self.process(shared, batch).await?;
        }
        self.land().await?;
        Ok(end)
    }

    /// Hands a batch on, once the one before it has landed.
    async fn process(&mut self, shared: &Shared, batch: Batch) -> Result<()> {
        let hash = self.land().await?;
        self.save_on_the_way(&hash);
        let (upload, offset, slots) = (Arc::clone(&self.upload), self.offset, Arc::clone(&shared.slots));
        self.offset += batch.length();
        let length = batch.length() as usize;
        let (chunks, permit) = batch.into_parts();
        self.hash = None;
        self.flight = Some(tokio::spawn(async move {
            // A closed semaphore cannot be: nothing closes it.
            let _slot = slots.acquire_owned().await;
            let (written, hashed) =
                tokio::join!(upload.write(offset, chunks.clone()), hash_all(hash, chunks, length));
            drop(permit);
            written?;
            hashed
        }));
        Ok(())
    }

    /// Waits for the batch in flight; then all bytes up to `offset` are written and hashed.
    async fn land(&mut self) -> Result<HashState> {
        if let Some(flight) = self.flight.take() {
            self.hash = Some(joined(flight).await??);
        }
        // Without a flight the state is here; a failed flight has ended the request above.
        self.hash
            .clone()
            .ok_or_else(|| Error::Internal("the hash of a failed write was asked for".to_owned()))
    }

    fn save_on_the_way(&mut self, hash: &HashState) {
        let busy = self.saving.as_ref().is_some_and(|saving| !saving.is_finished());
        if busy || self.offset - self.saved < SAVE_EVERY {
            return;
        }
        self.saved = self.offset;
        self.saving =
            Some(tokio::spawn(save(self.catalog.clone(), Arc::clone(&self.upload), self.save_row(hash))));
    }

    fn save_row(&self, hash: &HashState) -> UploadSave {
        UploadSave {
            id: self.id,
            epoch: self.epoch,
            offset: self.offset,
            algorithm: self.algorithm,
            state: hash.save(),
            now: now(),
        }
    }

    /// Makes all that has come durable, with its hash state: the session can be continued from here whatever
    /// happens. [`Error::UploadTakenOver`] where someone else has it now.
    pub(crate) async fn save(&mut self) -> Result<()> {
        let hash = self.land().await?;
        self.settle().await;
        if !save(self.catalog.clone(), Arc::clone(&self.upload), self.save_row(&hash)).await? {
            return Err(Error::UploadTakenOver(self.id));
        }
        self.saved = self.offset;
        Ok(())
    }

    /// Waits until no save is under way: an older offset must not be stored after a newer one.
    pub(crate) async fn settle(&mut self) {
        if let Some(saving) = self.saving.take() {
            // A save on the way that failed loses nothing that was promised; the next one tells.
            let _ = saving.await;
        }
    }

    /// All bytes' hash, and the file; nothing is under way any more.
    pub(crate) async fn finish(mut self) -> Result<(HashState, Arc<dyn Upload>)> {
        let hash = self.land().await?;
        self.settle().await;
        Ok((hash, self.upload))
    }
}

async fn save(catalog: Catalog, upload: Arc<dyn Upload>, row: UploadSave) -> Result<bool> {
    // The state may be trusted only for bytes that were synced before it was stored (DESIGN, decision 3).
    upload.sync().await?;
    Ok(catalog.save_upload(row).await?)
}

/// Hashes what a file already has, up to `offset`: the way back where no state can be trusted.
pub(crate) async fn hash_again(upload: &dyn Upload, algorithm: Algorithm, offset: u64) -> Result<HashState> {
    const STEP: u64 = 1 << 20;
    let mut hash = HashState::new(algorithm);
    let mut at = 0;
    while at < offset {
        let chunk = upload.read(at, STEP.min(offset - at) as usize).await?;
        if chunk.is_empty() {
            return Err(Error::Internal(format!(
                "an upload's file ends at byte {at}, before its offset {offset}"
            )));
        }
        at += chunk.len() as u64;
        let length = chunk.len();
        hash = hash_all(hash, vec![chunk], length).await?;
    }
    Ok(hash)
}
