//! Threads that serve connections: one thread per core, each with its own event loop.
//!
//! A connection stays on one thread. If all threads shared one event loop, any idle thread would take the next event,
//! and a download would move between cores at each turn, which costs more than sending its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The most threads for blocking disk work, of all event loops together.
const BLOCKING_THREADS: usize = 64;

/// The worker threads; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    load: Arc<AtomicUsize>,
    /// Dropped to end the loop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection's share of one thread's load; counted until dropped.
#[derive(Debug)]
pub(crate) struct WorkerSlot {
    pub(crate) handle: Handle,
    load: Arc<AtomicUsize>,
}

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts one thread per core.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..cores)
            .map(|_| Worker::start(BLOCKING_THREADS.div_ceil(cores)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A slot of the thread that serves the fewest connections; `None` only if there are no threads.
    pub(crate) fn slot(&self) -> Option<WorkerSlot> {
        let worker = self.0.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed))?;
        worker.load.fetch_add(1, Ordering::Relaxed);
        Some(WorkerSlot { handle: worker.handle.clone(), load: Arc::clone(&worker.load) })
    }
}

impl Worker {
    fn start(blocking_threads: usize) -> std::io::Result<Self> {
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(blocking_threads).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
            // Nothing is ever sent: dropping the sender ends the loop.
            let _ = runtime.block_on(stopped);
            // Does not wait for the blocking threads: the server has already waited for uploads to be saved.
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, load: Arc::default(), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The default panic hook has already reported a panic of the thread.
            let _ = thread.join();
        }
    }
}
