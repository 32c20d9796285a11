//! Writes the bytes of one upload, one write after the other, while the next bytes come in.
//!
//! Batches that arrive during a write go together into the next one: so a slow disk gets larger writes, which it does
//! faster.

use std::sync::Arc;

use bytes::Bytes;
use hythe_storage::{Upload, Write};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::Result;
use crate::growing::Written;
use crate::hashing::BatchPermit;
use crate::joined::joined;
use crate::twin::Twin;

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
                while !is_done(&queue) {
                    let turn = Turn::new(&queue, written.clone());
                    if let Err(error) = run(&*upload, twin.as_deref(), turn).await {
                        fail(&queue);
                        return Err(error);
                    }
                }
                Ok(())
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

/// Whether nothing waits; then the queue's task ends.
fn is_done(queue: &Mutex<Queue>) -> bool {
    let mut queue = queue.lock();
    queue.running = !(queue.batches.is_empty() && queue.marks.is_empty());
    !queue.running
}

/// Ends a queue after a failed write: drops the waiting batches and closes the marks' channels.
fn fail(queue: &Mutex<Queue>) {
    *queue.lock() = Queue { failed: true, ..Queue::default() };
}

/// Writes the waiting batches for one turn.
async fn run(upload: &dyn Upload, twin: Option<&Twin>, mut turn: Turn) -> Result<()> {
    let Some(twin) = twin.filter(|twin| twin.is_followed()) else {
        return Ok(upload.write_all(Box::new(turn)).await?);
    };
    while let Some(write) = turn.next() {
        if !twin.takes(upload, write.offset, &write.chunks).await? {
            return Ok(upload.write_all(Box::new(std::iter::once(write).chain(turn))).await?);
        }
    }
    Ok(())
}

/// The next writes of a queue, for one turn. The storage takes a write when the one before is done, and batches that
/// came meanwhile go together into the next one.
struct Turn {
    queue: Arc<Mutex<Queue>>,
    /// Told of the end of each write.
    written: Option<Written>,
    /// How many more writes the turn has.
    left: usize,
    /// The write that was taken last. If it is still here when the turn is dropped, it failed.
    running: Option<Running>,
}

/// A write that was taken and is not done. Its chunks are with the storage.
struct Running {
    end: u64,
    /// Dropped after the chunks, because an upload that waits for a permit may need a buffer.
    _permits: Vec<BatchPermit>,
    marks: Vec<oneshot::Sender<()>>,
}

impl Turn {
    fn new(queue: &Arc<Mutex<Queue>>, written: Option<Written>) -> Self {
        Self { queue: Arc::clone(queue), written, left: TURN, running: None }
    }

    /// Reports that the write that was taken last is done.
    fn land(&mut self) {
        let Some(Running { end, _permits, marks }) = self.running.take() else { return };
        if let Some(written) = &self.written {
            written.up_to(end);
        }
        tell(marks);
    }
}

impl Iterator for Turn {
    type Item = Write;

    fn next(&mut self) -> Option<Write> {
        self.land();
        self.left = self.left.checked_sub(1)?;
        let (offset, batches, marks) = {
            let mut queue = self.queue.lock();
            (queue.offset, std::mem::take(&mut queue.batches), std::mem::take(&mut queue.marks))
        };
        if batches.is_empty() {
            // All bytes before these marks are written.
            tell(marks);
            return None;
        }
        let (chunks, permits): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        let end = offset + chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        self.running = Some(Running { end, _permits: permits, marks });
        Some(Write { offset, chunks })
    }
}

impl Drop for Turn {
    /// Ends the queue if the last write failed or panicked. The permits and marks of that write are dropped after this:
    /// whoever sees one of them dropped finds the queue ended.
    fn drop(&mut self) {
        if self.running.is_some() {
            fail(&self.queue);
        }
    }
}

fn tell(marks: Vec<oneshot::Sender<()>>) {
    for mark in marks {
        // The receiver may be gone.
        let _ = mark.send(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use hythe_storage::Writes;
    use tokio::task::spawn_blocking;

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

    impl Disk {
        fn write(&self, Write { offset, chunks }: Write) -> hythe_storage::Result<()> {
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
    }

    struct OnDisk(Arc<Disk>);

    #[async_trait::async_trait]
    impl Upload for OnDisk {
        async fn write_all(&self, mut writes: Writes) -> hythe_storage::Result<()> {
            let disk = Arc::clone(&self.0);
            let written = spawn_blocking(move || writes.try_for_each(|write| disk.write(write)));
            written.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }

        async fn sync(&self) -> hythe_storage::Result<()> {
            Ok(())
        }

        async fn read(&self, _offset: u64, _length: usize) -> hythe_storage::Result<Bytes> {
            Ok(Bytes::new())
        }
    }

    fn disk(full: u64) -> (Arc<Disk>, Writing) {
        let disk = Arc::new(Disk { written: AtomicUsize::new(0), full, gate: Mutex::default() });
        (Arc::clone(&disk), Writing::new(Arc::new(OnDisk(disk))))
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
