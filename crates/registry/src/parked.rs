//! Keeps upload sessions open between two requests, so that the next chunk continues without opening the file or
//! hashing bytes again.
//!
//! A session that is not kept (after a restart, after a while, or because too many others came) is claimed, and opened
//! again from its row and its file. So is a session that another process claimed meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hythe_oci::UploadId;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::ingest::Ingest;

/// The most sessions that are kept; each holds up to two open files.
const KEEP: usize = 256;

/// How many files the process must be allowed to have open for each kept session. With two files each, kept sessions
/// use at most a quarter of the limit.
const SHARE: usize = 8;

/// How long a session is kept. A client that continues an upload does so at once.
const IDLE: Duration = Duration::from_mins(1);

pub(crate) struct Parked {
    state: Arc<Mutex<State>>,
    keep: usize,
    idle: Duration,
}

#[derive(Default)]
struct State {
    sessions: HashMap<UploadId, (Instant, Ingest)>,
    /// Whether a sweep task runs, which closes sessions that were kept long enough.
    is_swept: bool,
}

impl Parked {
    /// For a process that may have `most_open_files` files open.
    pub(crate) fn new(most_open_files: usize) -> Self {
        Self { state: Arc::default(), keep: (most_open_files / SHARE).clamp(1, KEEP), idle: IDLE }
    }

    /// Keeps a session whose writes and saves have ended; its last bytes may still be being hashed. Only the holder of
    /// the session's turn calls this.
    pub(crate) fn park(&self, ingest: Ingest) {
        // Without a runtime no sweep task could close the session, so it is not kept.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = self.state.lock();
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

    /// Takes a session out, to continue it or to end it. Only the holder of the session's turn calls this.
    pub(crate) fn take(&self, id: UploadId) -> Option<Ingest> {
        self.state.lock().sessions.remove(&id).map(|(_, ingest)| ingest)
    }

    /// Closes all kept sessions; returns how many.
    pub(crate) fn close(&self) -> usize {
        let sessions = std::mem::take(&mut self.state.lock().sessions);
        sessions.len()
    }
}

/// Closes sessions that were kept long enough; ends when none is left.
async fn sweep(state: Weak<Mutex<State>>, idle: Duration) {
    loop {
        tokio::time::sleep(idle / 4).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = state.lock();
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
    use crate::SystemClock;

    async fn session() -> Ingest {
        let id = UploadId::random();
        let storage = MemoryStorage::default();
        let owner = storage.fence(id).owned_by(1);
        let upload = storage.open_upload(&owner, 0).await.unwrap();
        let (catalog, hash) = (Catalog::in_memory().unwrap(), HashState::new(Algorithm::Sha256));
        let held = Arc::new(crate::usage::Usage::default()).open(owner.id(), 0);
        Ingest::new(owner, catalog, Arc::new(SystemClock), upload, hash, 0, held)
    }

    fn count(parked: &Parked) -> usize {
        parked.state.lock().sessions.len()
    }

    #[tokio::test]
    async fn the_limit_of_open_files_bounds_the_kept_sessions_and_the_oldest_is_closed_first() {
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
    async fn a_session_that_no_client_continues_is_closed_after_a_while() {
        let parked = Parked { idle: Duration::from_millis(20), ..Parked::new(1024) };
        // In the second round the sweep task of the first one has ended.
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
