//! The thread that sends the requests, and the threads that wait for it.

use std::io;
use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

/// An event loop of its own, on one thread: the methods of a store block, also on threads that no event loop may block.
#[derive(Clone, Debug)]
pub(crate) struct Threads(Arc<Owned>);

#[derive(Debug)]
struct Owned {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // An event loop must not wait for the end of another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Threads {
    pub(crate) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(1).max_blocking_threads(4).thread_name("s3").enable_all().build()?;
        Ok(Self(Arc::new(Owned { handle: runtime.handle().clone(), runtime: Some(runtime) })))
    }

    /// Begins work; its result comes through the receiver.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> mpsc::Receiver<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.0.handle.spawn(async move {
            // A caller that has gone needs no result.
            let _ = sender.try_send(work.await);
        });
        receiver
    }

    /// Does work, and blocks until it is done.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        received(&self.begin(work))
    }
}

/// Blocks until work that has begun is done.
pub(crate) fn received<T>(receiver: &mpsc::Receiver<T>) -> io::Result<T> {
    receiver.recv().map_err(|_| io::Error::other("the program is stopping"))
}
