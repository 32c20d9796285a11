//! Sessions between two requests, kept open: the next chunk goes on where the last one ended, without opening a file
//! or hashing anything again.
//!
//! What is not here (after a restart, after a while, or because too many others came) is opened again from its row and
//! its file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use hythe_oci::UploadId;
use tokio::runtime::Handle;

use crate::ingest::Ingest;

/// How many are kept at most; each holds up to two open files.
const KEEP: usize = 256;

/// And this part of the files that the process may have open: an eighth of the sessions, a quarter of the files.
const SHARE: usize = 8;

/// How long one is kept: a client that goes on does so at once.
const IDLE: Duration = Duration::from_mins(1);

pub(crate) struct Parked {
    state: Arc<Mutex<State>>,
    keep: usize,
    idle: Duration,
}

#[derive(Default)]
struct State {
    sessions: HashMap<UploadId, (Instant, Ingest)>,
    /// Whether a task looks for those that were kept long enough.
    is_swept: bool,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing in here panics halfway through a change.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parked {
    /// For a process that may have so many files open.
    pub(crate) fn new(most_open_files: usize) -> Self {
        Self { state: Arc::default(), keep: (most_open_files / SHARE).clamp(1, KEEP), idle: IDLE }
    }

    /// Keeps a session whose writes and saves have ended; its last bytes may still be hashed. By the holder of its
    /// turn.
    pub(crate) fn park(&self, ingest: Ingest) {
        // Without a runtime there is no sweep to close it, so it is not kept.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = lock(&self.state);
        let oldest = || state.sessions.iter().min_by_key(|(_, (parked, _))| *parked).map(|(id, _)| *id);
        let evicted = if state.sessions.len() >= self.keep { oldest() } else { None };
        let evicted = evicted.and_then(|id| state.sessions.remove(&id));
        state.sessions.insert(ingest.id(), (Instant::now(), ingest));
        if !std::mem::replace(&mut state.is_swept, true) {
            runtime.spawn(sweep(Arc::downgrade(&self.state), self.idle));
        }
        drop(state);
        // Closes files.
        drop(evicted);
    }

    /// Takes a session up again, or out for good. By the holder of its turn.
    pub(crate) fn take(&self, id: UploadId) -> Option<Ingest> {
        lock(&self.state).sessions.remove(&id).map(|(_, ingest)| ingest)
    }

    /// Closes all of them; how many there were.
    pub(crate) fn close(&self) -> usize {
        let sessions = std::mem::take(&mut lock(&self.state).sessions);
        sessions.len()
    }
}

/// Closes sessions that were kept long enough, until there are none.
async fn sweep(state: Weak<Mutex<State>>, idle: Duration) {
    loop {
        tokio::time::sleep(idle / 4).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = lock(&state);
        let old = state.sessions.extract_if(|_, (parked, _)| parked.elapsed() >= idle);
        let closed: Vec<_> = old.collect();
        state.is_swept = !state.sessions.is_empty();
        let ended = !state.is_swept;
        drop(state);
        // Closes files.
        drop(closed);
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use hythe_catalog::Catalog;
    use hythe_oci::{Algorithm, HashState};
    use hythe_storage::{MemoryStorage, Storage as _};

    use super::*;

    async fn session() -> Ingest {
        let id = UploadId::random();
        let upload = MemoryStorage::default().open_upload(id, 0).await.unwrap();
        Ingest::new(id, 0, Catalog::in_memory().unwrap(), upload, HashState::new(Algorithm::Sha256), 0)
    }

    fn count(parked: &Parked) -> usize {
        lock(&parked.state).sessions.len()
    }

    #[tokio::test]
    async fn so_many_are_kept_as_there_are_files_for_and_the_oldest_goes_first() {
        for (files, most) in [(4, 1), (256, 32), (1 << 20, 256)] {
            let parked = Parked::new(files);
            let first = session().await;
            let first_id = first.id();
            parked.park(first);
            for _ in 1..most {
                parked.park(session().await);
            }
            assert_eq!(count(&parked), most);
            parked.park(session().await);
            assert_eq!(count(&parked), most);
            assert!(parked.take(first_id).is_none());
            assert_eq!((parked.close(), count(&parked)), (most, 0));
        }
    }

    #[tokio::test]
    async fn one_that_nobody_goes_on_with_is_closed_after_a_while() {
        let parked = Parked { idle: Duration::from_millis(20), ..Parked::new(1024) };
        // The second time after a sweep that has ended.
        for _ in 0..2 {
            parked.park(session().await);
            tokio::time::timeout(Duration::from_secs(20), async {
                while count(&parked) > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
            .await
            .unwrap();
        }
    }
}
