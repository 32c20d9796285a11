//! The hash of one upload, on a thread of its own beside the writes.
//!
//! Batches queue; a blocking thread hashes as long as there are any, so that a fast upload hands over once and not
//! for each batch. A thread that has had its turn lets others have theirs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hythe_oci::HashState;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::spawn_blocking;

/// After so many batches a thread goes to the end of the line.
const TURN: usize = 16;

/// Batches this small are hashed where they are: handing them over costs more.
const INLINE: usize = 32 << 10;

/// A batch's place among those of its upload, until it is both hashed and written.
pub(crate) type Place = Arc<Option<OwnedSemaphorePermit>>;

enum Item {
    Bytes(Bytes, Place),
    /// Asks for the state after all that was pushed before.
    State(oneshot::Sender<HashState>),
}

struct Lane {
    queue: VecDeque<Item>,
    /// Away while a thread has it, which is running then.
    hash: Option<HashState>,
    /// Whether a thread has the queue, or is on its way to it.
    running: bool,
}

/// A running hash that is fed without waiting for it.
#[derive(Clone)]
pub(crate) struct Hashing(Arc<Mutex<Lane>>);

impl Hashing {
    pub(crate) fn new(hash: HashState) -> Self {
        Self(Arc::new(Mutex::new(Lane { queue: VecDeque::new(), hash: Some(hash), running: false })))
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        // Held for a push or a pop, neither of which leaves half a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, lane: &mut Lane, item: Item) {
        lane.queue.push_back(item);
        if !lane.running {
            lane.running = true;
            self.start();
        }
    }

    fn start(&self) {
        let this = self.clone();
        spawn_blocking(move || this.run());
    }

    /// Whether no other thread is at work for it.
    pub(crate) fn is_idle(&self) -> bool {
        !self.lock().running
    }

    /// Adds bytes on this thread. Only while it [is idle](Self::is_idle), which this does not change.
    ///
    /// # Panics
    /// If it is not: bytes would be missing from the hash.
    pub(crate) fn update(&self, bytes: &[u8]) {
        self.lock().hash.as_mut().expect("an idle lane has its hash").update(bytes);
    }

    /// Adds bytes.
    pub(crate) fn push(&self, bytes: Bytes, place: Place) {
        let mut lane = self.lock();
        let inline = !lane.running && bytes.len() <= INLINE;
        match &mut lane.hash {
            Some(hash) if inline => hash.update(&bytes),
            _ => self.enqueue(&mut lane, Item::Bytes(bytes, place)),
        }
    }

    /// The state after all that was pushed until now; the channel ends without it only if the server does.
    pub(crate) fn state(&self) -> oneshot::Receiver<HashState> {
        let (sender, receiver) = oneshot::channel();
        let mut lane = self.lock();
        match &lane.hash {
            // Nothing is under way: there is nothing to wait for. The receiver is here, so this cannot fail.
            Some(hash) if lane.queue.is_empty() => drop(sender.send(hash.clone())),
            _ => self.enqueue(&mut lane, Item::State(sender)),
        }
        receiver
    }

    fn run(&self) {
        let Some(mut hash) = self.lock().hash.take() else { return };
        for _ in 0..TURN {
            let item = {
                let mut lane = self.lock();
                let Some(item) = lane.queue.pop_front() else {
                    lane.hash = Some(hash);
                    lane.running = false;
                    return;
                };
                item
            };
            match item {
                Item::Bytes(bytes, place) => {
                    hash.update(&bytes);
                    drop((bytes, place));
                }
                // Who asked may have gone.
                Item::State(asked) => drop(asked.send(hash.clone())),
            }
        }
        self.lock().hash = Some(hash);
        self.start();
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::{Algorithm, Digest};

    use super::*;

    #[tokio::test]
    async fn states_are_those_of_what_was_pushed_before_they_were_asked_for() {
        let hashing = Hashing::new(HashState::new(Algorithm::Sha256));
        let mut all = Vec::new();
        for round in 0..100_u8 {
            let bytes = vec![round; 1000];
            all.extend_from_slice(&bytes);
            if round % 3 == 0 && hashing.is_idle() {
                hashing.update(&bytes);
            } else {
                hashing.push(bytes.into(), Arc::default());
            }
            let state = hashing.state();
            let expected = Digest::of(Algorithm::Sha256, &all);
            if round % 7 == 0 {
                assert_eq!(state.await.unwrap().finish(), expected);
            } else {
                tokio::spawn(async move { assert_eq!(state.await.unwrap().finish(), expected) });
            }
        }
        assert_eq!(hashing.state().await.unwrap().finish(), Digest::of(Algorithm::Sha256, &all));
    }
}
