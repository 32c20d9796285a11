//! The progress of an import: a line in the log every few seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time between two lines in the log.
const EVERY: Duration = Duration::from_secs(5);

/// The progress of an import: how much is imported, of how much.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) blobs: Counter,
    pub(crate) of_blobs: Counter,
    pub(crate) bytes: Counter,
    pub(crate) of_bytes: Counter,
    pub(crate) manifests: Counter,
    pub(crate) of_manifests: Counter,
}

/// A number to which several tasks add.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Progress {
    /// Runs the work, and logs its progress every few seconds.
    pub(crate) async fn told<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(EVERY, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.tell(),
            }
        }
    }

    fn tell(&self) {
        tracing::info!(
            blobs = self.blobs.get(),
            of_blobs = self.of_blobs.get(),
            bytes = self.bytes.get(),
            of_bytes = self.of_bytes.get(),
            manifests = self.manifests.get(),
            of_manifests = self.of_manifests.get(),
            "importing; nothing is served until it is done"
        );
    }
}
