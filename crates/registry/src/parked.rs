//! Sessions between two requests, kept open: the next chunk goes on where the last one ended, without opening a file
//! or hashing anything again.
//!
//! What is not here (after a restart, or because too many others came) is opened again from its row and its file.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hythe_oci::UploadId;

use crate::ingest::Ingest;

/// How many are kept; each holds up to two open files.
const KEEP: usize = 256;

#[derive(Default)]
pub(crate) struct Parked(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: HashMap<UploadId, (u64, Ingest)>,
    parked: u64,
}

impl Parked {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a session whose writes and saves have ended; its last bytes may still be hashed. By the holder of its turn.
    pub(crate) fn park(&self, ingest: Ingest) {
        let mut state = self.lock();
        let oldest = || state.sessions.iter().min_by_key(|(_, (parked, _))| *parked).map(|(id, _)| *id);
        let evicted = if state.sessions.len() >= KEEP { oldest() } else { None };
        let evicted = evicted.and_then(|id| state.sessions.remove(&id));
        state.parked += 1;
        let number = state.parked;
        state.sessions.insert(ingest.id(), (number, ingest));
        drop(state);
        // Closes files.
        drop(evicted);
    }

    /// Takes a session up again, or out for good. By the holder of its turn.
    pub(crate) fn take(&self, id: UploadId) -> Option<Ingest> {
        self.lock().sessions.remove(&id).map(|(_, ingest)| ingest)
    }
}
