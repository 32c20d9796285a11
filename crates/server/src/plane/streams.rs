//! The streams of an HTTP/2 connection: each has a task of its own, which ends when its client stops reading.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::rt::Executor;
use parking_lot::Mutex;
use tokio::task::JoinSet;

tokio::task_local! {
    /// The flow of the stream whose task runs.
    static FLOW: Arc<Flow>;
}

/// The bytes of one response on their way to the client.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The bytes that the body has handed to hyper.
    handed: AtomicU64,
    /// The bytes that hyper has written to the connection.
    written: AtomicU64,
}

impl Flow {
    /// The flow of the present stream; `None` on a connection of HTTP/1.1, where the socket shows the progress.
    pub(super) fn present() -> Option<Arc<Self>> {
        FLOW.try_with(Arc::clone).ok()
    }

    pub(super) fn hand(&self, bytes: usize) {
        self.handed.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn write(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Ready when bytes have waited for the client for `patience` at least, and none has left meanwhile.
    async fn stalled(&self, patience: Duration) {
        loop {
            let (handed, written) = self.now();
            tokio::time::sleep(patience).await;
            if handed > written && self.now() == (handed, written) {
                return;
            }
        }
    }

    fn now(&self) -> (u64, u64) {
        (self.handed.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

/// The streams of one connection. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
    patience: Duration,
}

/// Starts the streams of one connection. Does not own them, because each of them owns a clone of it.
#[derive(Clone, Debug)]
pub(crate) struct Starter {
    tasks: Weak<Mutex<JoinSet<()>>>,
    patience: Duration,
}

impl Streams {
    /// Streams that end when their client reads nothing for `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { tasks: Arc::default(), patience }
    }

    /// Starts them.
    pub(crate) fn starter(&self) -> Starter {
        Starter { tasks: Arc::downgrade(&self.tasks), patience: self.patience }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Starter {
    fn execute(&self, stream: F) {
        // Without its connection a stream has nobody to answer.
        let Some(tasks) = self.tasks.upgrade() else { return };
        let (flow, patience) = (Arc::new(Flow::default()), self.patience);
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let served = FLOW.scope(Arc::clone(&flow), stream);
            // The end of the task resets the stream. The other streams of the connection go on.
            tokio::select! {
                () = served => {}
                () = flow.stalled(patience) => {
                    tracing::debug!("a client stopped reading a response; its stream was reset");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_only_when_bytes_wait_and_none_leaves() {
        let patience = Duration::from_mins(1);
        let flow = Arc::new(Flow::default());
        let (watched, mut stalled) = (Arc::clone(&flow), JoinSet::new());
        stalled.spawn(async move { watched.stalled(patience).await });
        // Nothing waits for the client: the server is still at work.
        tokio::time::sleep(10 * patience).await;
        assert!(stalled.try_join_next().is_none());
        flow.hand(100);
        for _ in 0..10 {
            tokio::time::sleep(patience).await;
            flow.write(1);
            assert!(stalled.try_join_next().is_none());
        }
        tokio::time::sleep(3 * patience).await;
        assert!(stalled.try_join_next().is_some());
    }

    #[tokio::test]
    async fn the_streams_end_with_their_connection() {
        let held = Arc::new(());
        let (streams, guard) = (Streams::new(Duration::from_mins(1)), Arc::clone(&held));
        let starter = streams.starter();
        starter.clone().execute(async move {
            // As hyper's streams do.
            let _kept = (guard, starter);
            pending::<()>().await;
        });
        drop(streams);
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
