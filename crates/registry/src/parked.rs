//! Sessions between two requests, kept open: the next chunk goes on where the last one ended, without opening a file
//! or hashing anything again.
//!
//! What is not here (after a restart, after a while, or because too many others came) is opened again from its row and its
//! file.

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
        Self { state: Arc::default(), keep: (most_open_files / SHARE).clamp(1, KEEP) }
    }

    /// Keeps a session whose writes and saves have ended; its last bytes may still be hashed. By the holder of its turn.
    pub(crate) fn park(&self, ingest: Ingest) {
        // Without a runtime there is no sweep to close it, so it is not kept.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut state = lock(&self.state);
        let oldest = || state.sessions.iter().min_by_key(|(_, (parked, _))| *parked).map(|(id, _)| *id);
        let evicted = if state.sessions.len() >= self.keep { oldest() } else { None };
        let evicted = evicted.and_then(|id| state.sessions.remove(&id));
        state.sessions.insert(ingest.id(), (Instant::now(), ingest));
        if !std::mem::replace(&mut state.is_swept, true) {
            runtime.spawn(sweep(Arc::downgrade(&self.state)));
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
async fn sweep(state: Weak<Mutex<State>>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(state) = state.upgrade() else { return };
        let mut state = lock(&state);
        let old = state.sessions.extract_if(|_, (parked, _)| parked.elapsed() >= IDLE);
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
