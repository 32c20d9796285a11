//! Records the times of pulls. A task writes them to the catalog, so no response waits for the write.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hythe_catalog::{Catalog, Pull};
use hythe_oci::{Reference, RepositoryName};
use parking_lot::Mutex;

/// Milliseconds after a recorded pull in which further pulls are not recorded: a quarter of a day.
const STEP: i64 = 6 * 60 * 60 * 1000;

/// Maximum number of pulls of copies that are kept in memory between two writes.
const MOST_RECENT: usize = 16_384;

/// Maximum number of pulls that wait to be written. A further pull is not recorded; the next pull of the same manifest is.
const MOST: usize = 1024;

/// Time after a failed write in which no pull is recorded, so that a full disk is not written to by every pull.
const PAUSE: Duration = Duration::from_mins(1);

/// Pulls that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Pulls(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    pulls: HashMap<(RepositoryName, Reference), Pull>,
    /// Whether a task is writing them.
    is_written: bool,
    /// The end of the pause after a failed write.
    paused_until: Option<Instant>,
    /// The latest pulls of copies that are not due to be written: eviction needs their order.
    recent: HashMap<(RepositoryName, Reference), Pull>,
}

/// Whether to record a pull at `now`, if the last recorded pull was at `recorded`.
pub(crate) fn is_due(recorded: Option<i64>, now: i64) -> bool {
    recorded.is_none_or(|recorded| now.saturating_sub(recorded) > STEP)
}

impl Pulls {
    /// Queues a pull, and starts a task that writes all queued pulls if no such task runs.
    pub(crate) fn record(this: &Arc<Self>, catalog: &Catalog, pull: Pull) {
        let mut waiting = this.0.lock();
        let is_paused = waiting.paused_until.is_some_and(|until| Instant::now() < until);
        if is_paused || waiting.pulls.len() >= MOST {
            return;
        }
        let key = (pull.repository.clone(), pull.reference.clone());
        let of_bytes = pull.of_bytes;
        waiting.pulls.entry(key).or_insert(pull).of_bytes |= of_bytes;
        if !std::mem::replace(&mut waiting.is_written, true) {
            let (this, catalog) = (Arc::clone(this), catalog.clone());
            tokio::spawn(async move {
                while let Some(pulls) = this.take() {
                    if let Err(error) = catalog.record_pulls(pulls).await {
                        tracing::warn!(%error, "could not record the times of pulls");
                        this.0.lock().paused_until = Instant::now().checked_add(PAUSE);
                    }
                }
            });
        }
    }

    /// Keeps a pull of a copy in memory. Returns all that are kept when there are too many: the caller has them written.
    pub(crate) fn keep(&self, pull: Pull) -> Option<Vec<Pull>> {
        let mut waiting = self.0.lock();
        let key = (pull.repository.clone(), pull.reference.clone());
        let of_bytes = waiting.recent.get(&key).is_some_and(|before| before.of_bytes) || pull.of_bytes;
        waiting.recent.insert(key, Pull { of_bytes, ..pull });
        (waiting.recent.len() >= MOST_RECENT)
            .then(|| std::mem::take(&mut waiting.recent).into_values().collect())
    }

    /// Takes the pulls that are kept in memory.
    pub(crate) fn take_recent(&self) -> Vec<Pull> {
        std::mem::take(&mut self.0.lock().recent).into_values().collect()
    }

    /// Takes all queued pulls; `None` if the queue is empty, which ends the task.
    fn take(&self) -> Option<Vec<Pull>> {
        let mut waiting = self.0.lock();
        waiting.is_written = !waiting.pulls.is_empty();
        waiting.is_written.then(|| waiting.pulls.drain().map(|(_, pull)| pull).collect())
    }
}
