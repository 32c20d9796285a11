//! Writes the bytes of one upload, one write after the other, while the next bytes come in.
//!
//! Batches that arrive during a write go together into the next one: so a slow disk gets larger writes, which it does
//! faster.

use std::sync::Arc;

use bytes::Bytes;
use hythe_storage::Upload;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::growing::Written;
use crate::hashing::BatchPermit;
use crate::joined::joined;
use crate::twin::Twin;
use crate::{Error, Result};

/// Writes per turn before an upload yields its thread.
const TURN: usize = 16;

#[derive(Default)]
struct Queue {
    batches: Vec<(Bytes, BatchPermit)>,
    /// The offset of the first batch.
    offset: u64,
    /// Notified when the batches are written.
    marks: Vec<oneshot::Sender<()>>,
    /// Whether a task works on the queue until it is empty.
    running: bool,
    /// Whether a write failed: the bytes that waited then are not in the file, whatever is pushed later.
    failed: bool,
}

/// Writes batches in the order in which they are pushed.
pub(crate) struct Writing {
    upload: Arc<dyn Upload>,
    /// A file to compare the bytes with. As long as they are the same, they are not written.
    twin: Option<Arc<Twin>>,
    queue: Arc<Mutex<Queue>>,
    task: Option<JoinHandle<Result<()>>>,
    /// Told of the end of each write.
    written: Option<Written>,
}

impl Writing {
    pub(crate) fn new(upload: Arc<dyn Upload>) -> Self {
        Self { upload, twin: None, queue: Arc::default(), task: None, written: None }
    }

    /// Sets the file with which later bytes are compared, or none. Called while no write runs.
    pub(crate) fn compare(&mut self, twin: Option<Arc<Twin>>) {
        self.twin = twin;
    }

    /// Sets the `Written` that is told of each write. Called before any bytes are pushed.
    pub(crate) fn tell(&mut self, written: Written) {
        self.written = Some(written);
    }

    /// Adds the next bytes, to be written at `offset`. An error is that of an earlier write.
    pub(crate) async fn push(&mut self, offset: u64, bytes: Bytes, permit: BatchPermit) -> Result<()> {
        let running = {
            let mut queue = self.queue.lock();
            if queue.batches.is_empty() {
                queue.offset = offset;
            }
            queue.batches.push((bytes, permit));
            std::mem::replace(&mut queue.running, true)
        };
        if !running {
            // The previous task has ended, or is about to end.
            self.land().await?;
            let (upload, queue) = (Arc::clone(&self.upload), Arc::clone(&self.queue));
            let (written, twin) = (self.written.clone(), self.twin.clone());
            self.task = Some(tokio::spawn(async move {
                loop {
                    let (upload, queue) = (Arc::clone(&upload), Arc::clone(&queue));
                    let (written, twin) = (written.clone(), twin.clone());
                    let turn = move || run(&*upload, twin.as_deref(), &queue, written.as_ref());
                    if joined(spawn_blocking(turn)).await?? {
                        return Ok(());
                    }
                }
            }));
        }
        Ok(())
    }

    /// A channel that tells when all bytes pushed until now are written. It closes without a message if a write fails.
    pub(crate) fn mark(&self) -> oneshot::Receiver<()> {
        let (mark, marked) = oneshot::channel();
        let mut queue = self.queue.lock();
        if queue.failed {
            return marked;
        }
        if queue.running {
            queue.marks.push(mark);
        } else {
            // The receiver exists, so the send cannot fail.
            let _ = mark.send(());
        }
        marked
    }

    /// Returns when all pushed bytes are written.
    pub(crate) async fn land(&mut self) -> Result<()> {
        match self.task.take() {
            Some(task) => joined(task).await?,
            None => Ok(()),
        }
    }
}

/// Ends a queue after a failed write: drops the waiting batches and closes the marks' channels.
fn fail(queue: &Mutex<Queue>) {
    *queue.lock() = Queue { failed: true, ..Queue::default() };
}

/// Ends the queue if a write panics. The next push gets the panic.
struct Watch<'a>(&'a Mutex<Queue>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(self.0);
        }
    }
}

/// Writes the waiting batches for one turn; true if none is left.
fn run(
    upload: &dyn Upload,
    twin: Option<&Twin>,
    queue: &Mutex<Queue>,
    written: Option<&Written>,
) -> Result<bool> {
    for _ in 0..TURN {
        let (offset, batches, marks) = {
            let mut queue = queue.lock();
            if queue.batches.is_empty() && queue.marks.is_empty() {
                queue.running = false;
                return Ok(true);
            }
            (queue.offset, std::mem::take(&mut queue.batches), std::mem::take(&mut queue.marks))
        };
        let (chunks, permits): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        // This is dropped before the chunks, permits and marks: whoever sees one of these dropped finds the queue ended.
        let _watch = Watch(queue);
        if !chunks.is_empty() {
            let is_here = twin.map_or(Ok(false), |twin| twin.takes(upload, offset, &chunks));
            let written_now = match is_here {
                Ok(true) => Ok(()),
                Ok(false) => upload.write(offset, &chunks).map_err(Error::from),
                Err(error) => Err(error),
            };
            if let Err(error) = written_now {
                fail(queue);
                return Err(error);
            }
            if let Some(written) = written {
                written.up_to(offset + chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
            }
        }
        for mark in marks {
            // The receiver may be gone.
            let _ = mark.send(());
        }
        // The buffers are freed before the permits, because an upload that waits for a permit may need a buffer.
        drop((chunks, permits));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// The offset from which on writes panic.
    const PANICS: u64 = 1 << 40;

    /// Counts the written bytes. A write at the offset `full` or behind fails. Each write waits until the gate's sender
    /// is dropped.
    struct Disk {
        written: AtomicUsize,
        full: u64,
        gate: Mutex<Option<mpsc::Receiver<()>>>,
    }

    #[async_trait::async_trait]
    impl Upload for Disk {
        fn write(&self, offset: u64, chunks: &[Bytes]) -> hythe_storage::Result<()> {
            if let Some(gate) = &*self.gate.lock() {
                gate.recv().unwrap_err();
            }
            assert!(
                !chunks.is_empty(),
                "an empty write must not be made: some storages end the file at its offset"
            );
            assert!(offset < PANICS, "a write that panics");
            if offset >= self.full {
                return Err(hythe_storage::Error::NoSpace { path: "here".into() });
            }
            self.written.fetch_add(chunks.iter().map(Bytes::len).sum(), Ordering::Relaxed);
            Ok(())
        }

        async fn sync(&self) -> hythe_storage::Result<()> {
            Ok(())
        }

        fn is_direct(&self) -> bool {
            false
        }

        fn file(&self) -> Option<Arc<std::fs::File>> {
            None
        }

        async fn read(&self, _offset: u64, _length: usize) -> hythe_storage::Result<Bytes> {
            Ok(Bytes::new())
        }
    }

    fn disk(full: u64) -> (Arc<Disk>, Writing) {
        let disk = Arc::new(Disk { written: AtomicUsize::new(0), full, gate: Mutex::default() });
        (Arc::clone(&disk), Writing::new(disk))
    }

    #[tokio::test]
    async fn a_mark_is_reached_when_all_before_it_is_written() {
        let (disk, mut writing) = disk(u64::MAX);
        writing.mark().await.unwrap();
        for number in 0..100 {
            writing.push(number * 10, Bytes::from_static(b"ten bytes."), Arc::default()).await.unwrap();
            let marked = writing.mark();
            if number % 3 == 0 {
                marked.await.unwrap();
                assert_eq!(disk.written.load(Ordering::Relaxed) as u64, (number + 1) * 10);
            }
        }
        writing.land().await.unwrap();
        writing.mark().await.unwrap();
    }

    #[tokio::test]
    async fn no_mark_is_reached_after_a_write_that_failed() {
        let (_, mut writing) = disk(10);
        writing.push(0, Bytes::from_static(b"ten bytes."), Arc::default()).await.unwrap();
        writing.land().await.unwrap();
        writing.push(10, Bytes::from_static(b"no room"), Arc::default()).await.unwrap();
        let during = writing.mark();
        writing.land().await.unwrap_err();
        during.await.unwrap_err();
        writing.mark().await.unwrap_err();
    }

    #[tokio::test]
    async fn a_mark_behind_the_last_write_causes_no_empty_write() {
        let (disk, mut writing) = disk(u64::MAX);
        let (closed, gate) = mpsc::channel();
        *disk.gate.lock() = Some(gate);
        writing.push(0, Bytes::from_static(b"ten bytes."), Arc::default()).await.unwrap();
        // Waits until the write has begun: it takes the whole queue.
        while !writing.queue.lock().batches.is_empty() {
            tokio::task::yield_now().await;
        }
        let mut marked = writing.mark();
        assert!(marked.try_recv().is_err(), "the bytes are not written yet");
        drop(closed);
        marked.await.unwrap();
        writing.land().await.unwrap();
        assert_eq!(disk.written.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn the_panic_of_a_write_reaches_the_next_push_and_keeps_no_permit() {
        let (_, mut writing) = disk(u64::MAX);
        let permits = Arc::new(tokio::sync::Semaphore::new(2));
        let permit = || Arc::new(Arc::clone(&permits).try_acquire_owned().ok());
        let bytes = Bytes::from_static(b"ten bytes.");
        writing.push(PANICS, bytes.clone(), permit()).await.unwrap();
        writing.mark().await.unwrap_err();
        let second = permit();
        let next = tokio::spawn(async move { writing.push(PANICS + 10, bytes, second).await });
        assert!(next.await.unwrap_err().is_panic());
        assert_eq!(permits.available_permits(), 2);
    }
}
