//! The hash of one upload: on a thread of its own beside the writes, or together with that of another upload.
//!
//! Batches queue; a blocking thread hashes as long as there are any, so that a fast upload hands over once and not
//! for each batch. A thread that has had its turn lets others have theirs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hythe_oci::HashState;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::{spawn_blocking, yield_now};

use crate::{Error, Result};

/// After so many batches a thread goes to the end of the line.
const TURN: usize = 16;

/// Batches this small are hashed where they are: handing them over costs more.
pub(crate) const INLINE: usize = 32 << 10;

/// So often a batch that is hashed where it came lets all else that can go on do so, until one of another upload is
/// there. On an idle thread that takes next to no time.
const ROUNDS: usize = 8;

/// So long at most: about what one batch takes.
const WAIT: Duration = Duration::from_micros(500);

const IDLE: &str = "an idle lane has its hash";

/// A batch's place among those of its upload, until it is written, and hashed where another thread does that.
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
        // Held for a push, a pop or an update, none of which panics halfway through a change.
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

    /// Whether no thread has its queue.
    pub(crate) fn is_idle(&self) -> bool {
        !self.lock().running
    }

    /// Adds bytes on this thread. Only while it [is idle](Self::is_idle), which this does not change.
    ///
    /// # Panics
    /// If it is not: bytes would be missing from the hash.
    fn update(&self, bytes: &[u8]) {
        self.lock().hash.as_mut().expect(IDLE).update(bytes);
    }

    /// Adds bytes to two of them, each of which is idle.
    fn update_both((first, bytes): (&Self, &[u8]), (second, others): (&Self, &[u8])) {
        // One of them waited in the only place where one can, and the other is its caller's: no two threads want the
        // same two locks.
        let (mut first, mut second) = (first.lock(), second.lock());
        let (first, second) = (first.hash.as_mut().expect(IDLE), second.hash.as_mut().expect(IDLE));
        HashState::update_both((first, bytes), (second, others));
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

/// A batch that waits for one of another upload.
struct Waiting {
    hashing: Hashing,
    bytes: Bytes,
    /// Told when it is hashed.
    done: oneshot::Sender<()>,
}

impl Waiting {
    /// It is hashed.
    fn end(self) {
        // The buffer first: who waited may need one.
        drop(self.bytes);
        // Who waited may be gone.
        let _ = self.done.send(());
    }
}

/// A batch that was offered: where it still waits when this goes, it is hashed alone.
struct Offered<'a> {
    pairs: &'a Pairs,
    hashing: &'a Hashing,
}

impl Drop for Offered<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.pairs.take_back(self.hashing) {
            waiting.hashing.update(&waiting.bytes);
            waiting.end();
        }
    }
}

/// Hashes batches of different uploads two by two: that costs little more than one of them.
#[derive(Default)]
pub(crate) struct Pairs(Mutex<Option<Waiting>>);

impl Pairs {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        // Held for a swap.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes to a hash that [is idle](Hashing::is_idle), on a thread that receives: this one's, with those of
    /// another upload where there are some soon, or that one's.
    pub(crate) async fn update(&self, hashing: &Hashing, bytes: Bytes) -> Result<()> {
        if !HashState::takes_two() {
            hashing.update(&bytes);
            return Ok(());
        }
        let Some(mut hashed) = self.offer(hashing, bytes) else { return Ok(()) };
        let offered = Offered { pairs: self, hashing };
        let stopped = || Error::Internal("hashing an upload was stopped".to_owned());
        let since = Instant::now();
        for _ in 0..ROUNDS {
            yield_now().await;
            match hashed.try_recv() {
                Ok(()) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(stopped()),
                Err(TryRecvError::Empty) if since.elapsed() < WAIT => {}
                Err(TryRecvError::Empty) => break,
            }
        }
        // Hashes it alone; or somebody is at it.
        drop(offered);
        hashed.await.map_err(|_| stopped())
    }

    /// Hashes the bytes at once where others wait; else they wait, until the answer's channel has something.
    fn offer(&self, hashing: &Hashing, bytes: Bytes) -> Option<oneshot::Receiver<()>> {
        let mut place = self.lock();
        if let Some(other) = place.take() {
            drop(place);
            Hashing::update_both((hashing, &bytes), (&other.hashing, &other.bytes));
            other.end();
            return None;
        }
        let (done, hashed) = oneshot::channel();
        *place = Some(Waiting { hashing: hashing.clone(), bytes, done });
        Some(hashed)
    }

    fn take_back(&self, hashing: &Hashing) -> Option<Waiting> {
        self.lock().take_if(|waiting| Arc::ptr_eq(&waiting.hashing.0, &hashing.0))
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

    /// What `hashing` came to is the digest of `all`.
    async fn assert_hashed(hashing: &Hashing, all: &[u8]) {
        let state = hashing.state().await.unwrap();
        assert_eq!(state.finish(), Digest::of(Algorithm::Sha256, all));
    }

    #[tokio::test]
    async fn batches_that_meet_are_hashed_together_and_each_into_its_own() {
        let (pairs, contents) = (Pairs::default(), [1_u8, 2, 3].map(|seed| vec![seed; 100_000]));
        let hashes = contents.each_ref().map(|_| Hashing::new(HashState::new(Algorithm::Sha256)));
        let update = |at: usize| pairs.update(&hashes[at], contents[at].clone().into());
        let (first, second, third) = tokio::join!(update(0), update(1), update(2));
        first.and(second).and(third).unwrap();
        assert!(pairs.lock().is_none(), "nothing waits");
        for (hashing, content) in hashes.iter().zip(&contents) {
            assert_hashed(hashing, content).await;
        }
    }

    #[tokio::test]
    async fn a_batch_that_meets_no_other_is_hashed_alone() {
        let (pairs, hashing) = (Pairs::default(), Hashing::new(HashState::new(Algorithm::Sha256)));
        pairs.update(&hashing, Bytes::from_static(b"alone")).await.unwrap();
        assert_hashed(&hashing, b"alone").await;
    }

    #[tokio::test]
    async fn a_batch_whose_upload_is_gone_is_hashed_and_does_no_harm_to_another() {
        let (pairs, hashing) = (Pairs::default(), Hashing::new(HashState::new(Algorithm::Sha256)));
        let gone = Hashing::new(HashState::new(Algorithm::Sha256));
        let stopped = tokio::time::timeout(Duration::ZERO, pairs.update(&gone, Bytes::from_static(b"gone")));
        // Whether it was stopped in the middle is the machine's to say.
        let _ = stopped.await;
        pairs.update(&hashing, Bytes::from_static(b"here")).await.unwrap();
        assert_hashed(&hashing, b"here").await;
        assert_hashed(&gone, b"gone").await;
    }
}
