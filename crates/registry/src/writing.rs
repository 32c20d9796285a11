//! The writes of one upload, one after the other, beside what is received.
//!
//! What arrives while one is under way goes into the next together: a slow disk is given larger writes, which it does
//! faster.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hythe_storage::Upload;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::growing::Written;
use crate::hashing::Place;
use crate::twin::Twin;
use crate::{Error, Result};

/// After so many writes a thread goes to the end of the line.
const TURN: usize = 16;

#[derive(Default)]
struct Queue {
    batches: Vec<(Bytes, Place)>,
    /// Where the first of them goes.
    offset: u64,
    /// Who wants to hear when they are written.
    marks: Vec<oneshot::Sender<()>>,
    /// Whether a task takes from the queue until it is empty.
    running: bool,
    /// Whether a write failed: what was pushed then is not in the file, whatever is pushed later.
    failed: bool,
}

/// Writes in order what it is given.
pub(crate) struct Writing {
    upload: Arc<dyn Upload>,
    /// What it is the same as until now is not written.
    twin: Option<Arc<Twin>>,
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
        Self { upload, twin: None, queue: Arc::default(), task: None, written: None }
    }

    /// Compares what comes from now on with a file of the same digest, or with none. While nothing is under way.
    pub(crate) fn compare(&mut self, twin: Option<Arc<Twin>>) {
        self.twin = twin;
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

    /// Says when all that was pushed until now is written; the channel ends without a word where it could not be.
    pub(crate) fn mark(&self) -> oneshot::Receiver<()> {
        let (mark, marked) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if queue.failed {
            return marked;
        }
        if queue.running {
            queue.marks.push(mark);
        } else {
            // The receiver is here, so this cannot fail.
            let _ = mark.send(());
        }
        marked
    }

    /// Returns when all that was pushed is written.
    pub(crate) async fn land(&mut self) -> Result<()> {
        match self.task.take() {
            Some(task) => joined(task).await?,
            None => Ok(()),
        }
    }
}

/// Ends a queue of which a write failed: nobody waits for what was pushed.
fn fail(queue: &Mutex<Queue>) {
    *lock(queue) = Queue { failed: true, ..Queue::default() };
}

/// Ends the queue where a write panics, which what is pushed next meets.
struct Watch<'a>(&'a Mutex<Queue>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(self.0);
        }
    }
}

/// Writes what there is, for as long as a turn lasts; true where nothing is left.
fn run(
    upload: &dyn Upload,
    twin: Option<&Twin>,
    queue: &Mutex<Queue>,
    written: Option<&Written>,
) -> Result<bool> {
    for _ in 0..TURN {
        let (offset, batches, marks) = {
            let mut queue = lock(queue);
            if queue.batches.is_empty() && queue.marks.is_empty() {
                queue.running = false;
                return Ok(true);
            }
            (queue.offset, std::mem::take(&mut queue.batches), std::mem::take(&mut queue.marks))
        };
        let (chunks, places): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        // Dropped before all of these: who hears that one is gone finds the queue ended.
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
            // Who asked may have gone.
            let _ = mark.send(());
        }
        // The buffers first: who waits for a place may need one.
        drop((chunks, places));
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Writes from here on panic.
    const PANICS: u64 = 1 << 40;

    /// Counts what is written, until a write is for `full`, which fails. Each write waits for the gate's sender to go.
    struct Disk {
        written: AtomicUsize,
        full: u64,
        gate: Mutex<Option<mpsc::Receiver<()>>>,
    }

    #[async_trait::async_trait]
    impl Upload for Disk {
        fn write(&self, offset: u64, chunks: &[Bytes]) -> hythe_storage::Result<()> {
            if let Some(gate) = &*self.gate.lock().unwrap() {
                gate.recv().unwrap_err();
            }
            assert!(!chunks.is_empty(), "nothing is no write: some storages end the file at its offset");
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
    async fn a_mark_behind_the_last_write_is_no_write() {
        let (disk, mut writing) = disk(u64::MAX);
        let (closed, gate) = mpsc::channel();
        *disk.gate.lock().unwrap() = Some(gate);
        writing.push(0, Bytes::from_static(b"ten bytes."), Arc::default()).await.unwrap();
        // Let the write begin, which takes all that is queued.
        while !lock(&writing.queue).batches.is_empty() {
            tokio::task::yield_now().await;
        }
        let mut marked = writing.mark();
        assert!(marked.try_recv().is_err(), "it is not written");
        drop(closed);
        marked.await.unwrap();
        writing.land().await.unwrap();
        assert_eq!(disk.written.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn a_write_that_panics_is_met_by_the_next_one_and_keeps_no_place() {
        let (_, mut writing) = disk(u64::MAX);
        let places = Arc::new(tokio::sync::Semaphore::new(2));
        let place = || Arc::new(Arc::clone(&places).try_acquire_owned().ok());
        let bytes = Bytes::from_static(b"ten bytes.");
        writing.push(PANICS, bytes.clone(), place()).await.unwrap();
        writing.mark().await.unwrap_err();
        let second = place();
        let next = tokio::spawn(async move { writing.push(PANICS + 10, bytes, second).await });
        assert!(next.await.unwrap_err().is_panic());
        assert_eq!(places.available_permits(), 2);
    }
}
