//! The writes of one upload, one after the other, beside what is received.
//!
//! What arrives while one is under way goes into the next together: a slow disk is given larger writes, which it does
//! faster.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hythe_storage::Upload;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::growing::Written;
use crate::hashing::Place;
use crate::{Error, Result};

/// After so many writes a thread goes to the end of the line.
const TURN: usize = 16;

#[derive(Default)]
struct Queue {
    batches: Vec<(Bytes, Place)>,
    /// Where the first of them goes.
    offset: u64,
    /// Whether a task takes from the queue until it is empty.
    running: bool,
}

/// Writes in order what it is given.
pub(crate) struct Writing {
    upload: Arc<dyn Upload>,
    queue: Arc<Mutex<Queue>>,
    task: Option<JoinHandle<Result<()>>>,
    /// Told of each write that has ended.
    written: Option<Written>,
}

/// What a task came to; a panic goes on here.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> Result<T> {
    match task.await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Internal("the server is stopping".to_owned())),
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Held for a push or a take, neither of which leaves half a change.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writing {
    pub(crate) fn new(upload: Arc<dyn Upload>) -> Self {
        Self { upload, queue: Arc::default(), task: None, written: None }
    }

    /// Says how far it is from now on. Before anything is pushed.
    pub(crate) fn tell(&mut self, written: Written) {
        self.written = Some(written);
    }

    /// Adds the bytes that come next, which are for `offset`. An error is that of an earlier write.
    pub(crate) async fn push(&mut self, offset: u64, bytes: Bytes, place: Place) -> Result<()> {
        let running = {
            let mut queue = lock(&self.queue);
            if queue.batches.is_empty() {
                queue.offset = offset;
            }
            queue.batches.push((bytes, place));
            std::mem::replace(&mut queue.running, true)
        };
        if !running {
            // The task before this one has ended, or is about to.
            self.land().await?;
            let (upload, queue) = (Arc::clone(&self.upload), Arc::clone(&self.queue));
            let written = self.written.clone();
            self.task = Some(tokio::spawn(async move {
                loop {
                    let (upload, queue) = (Arc::clone(&upload), Arc::clone(&queue));
                    let written = written.clone();
                    if joined(spawn_blocking(move || run(&*upload, &queue, written.as_ref()))).await?? {
                        return Ok(());
                    }
                }
            }));
        }
        Ok(())
    }

    /// Returns when all that was pushed is written.
    pub(crate) async fn land(&mut self) -> Result<()> {
        match self.task.take() {
            Some(task) => joined(task).await?,
            None => Ok(()),
        }
    }
}

/// Writes what there is, for as long as a turn lasts; true where nothing is left.
fn run(upload: &dyn Upload, queue: &Mutex<Queue>, written: Option<&Written>) -> Result<bool> {
    for _ in 0..TURN {
        let (offset, batches) = {
            let mut queue = lock(queue);
            if queue.batches.is_empty() {
                queue.running = false;
                return Ok(true);
            }
            (queue.offset, std::mem::take(&mut queue.batches))
        };
        let (chunks, places): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        if let Err(error) = upload.write(offset, &chunks) {
            *lock(queue) = Queue::default();
            return Err(error.into());
        }
        if let Some(written) = written {
            written.up_to(offset + chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
        }
        drop((chunks, places));
    }
    Ok(false)
}
