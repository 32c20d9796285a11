//! Hashes an upload: on a thread of its own beside the writes, or together with another upload.
//!
//! Batches wait in a queue. A blocking thread hashes as long as the queue has any, so that a fast upload hands work
//! over once, not for each batch. After a turn the thread yields to other uploads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hythe_oci::HashState;
use parking_lot::Mutex;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::{spawn_blocking, yield_now};

use crate::{Error, Result};

/// Batches per turn before an upload yields its thread.
const TURN: usize = 16;

/// The size of a batch, in bytes, up to which it is hashed on the calling thread: handing it over would cost more.
pub(crate) const INLINE: usize = 32 << 10;

/// How often to yield while waiting for another upload's batch to pair with. On an idle thread, a yield takes almost no
/// time.
const ROUNDS: usize = 8;

/// The longest wait for another upload's batch: about the time that hashing one batch takes.
const WAIT: Duration = Duration::from_micros(500);

const IDLE: &str = "an idle lane has its hash";

/// A batch's permit among the waiting batches of its upload. The batch holds it until it is written, and until it is
/// hashed if another thread hashes it.
pub(crate) type BatchPermit = Arc<Option<OwnedSemaphorePermit>>;

enum Item {
    Bytes(Bytes, BatchPermit),
    /// Requests the state after all earlier items.
    State(oneshot::Sender<HashState>),
}

struct Lane {
    queue: VecDeque<Item>,
    /// The hash; `None` while the running thread has it.
    hash: Option<HashState>,
    /// Whether a thread works on the queue, or is being started for it.
    running: bool,
}

/// A running hash. Its caller adds bytes without waiting for them to be hashed.
#[derive(Clone)]
pub(crate) struct Hashing(Arc<Mutex<Lane>>);

impl Hashing {
    pub(crate) fn new(hash: HashState) -> Self {
        Self(Arc::new(Mutex::new(Lane { queue: VecDeque::new(), hash: Some(hash), running: false })))
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

    /// Whether no thread works on the queue.
    pub(crate) fn is_idle(&self) -> bool {
        !self.0.lock().running
    }

    /// Hashes bytes on the calling thread. Only allowed while the hash [is idle](Self::is_idle), which this does not
    /// change.
    ///
    /// # Panics
    /// If the hash is not idle: it would miss bytes.
    fn update(&self, bytes: &[u8]) {
        self.0.lock().hash.as_mut().expect(IDLE).update(bytes);
    }

    /// Hashes the bytes of two uploads at once. Both hashes must be idle.
    fn update_both((first, bytes): (&Self, &[u8]), (second, others): (&Self, &[u8])) {
        // No deadlock is possible: one hash was taken from the only place where a batch waits, and the other belongs to
        // the caller, so no two threads take the same two locks.
        let (mut first, mut second) = (first.0.lock(), second.0.lock());
        let (first, second) = (first.hash.as_mut().expect(IDLE), second.hash.as_mut().expect(IDLE));
        HashState::update_both((first, bytes), (second, others));
    }

    /// Adds bytes to the hash.
    pub(crate) fn push(&self, bytes: Bytes, permit: BatchPermit) {
        let mut lane = self.0.lock();
        let inline = !lane.running && bytes.len() <= INLINE;
        match &mut lane.hash {
            Some(hash) if inline => hash.update(&bytes),
            _ => self.enqueue(&mut lane, Item::Bytes(bytes, permit)),
        }
    }

    /// Requests the state after all bytes that were added until now. The channel closes without a state only if the
    /// server stops.
    pub(crate) fn state(&self) -> oneshot::Receiver<HashState> {
        let (sender, receiver) = oneshot::channel();
        let mut lane = self.0.lock();
        match &lane.hash {
            // No bytes wait, so the state is sent at once. The receiver exists, so the send cannot fail.
            Some(hash) if lane.queue.is_empty() => drop(sender.send(hash.clone())),
            _ => self.enqueue(&mut lane, Item::State(sender)),
        }
        receiver
    }

    fn run(&self) {
        let Some(mut hash) = self.0.lock().hash.take() else { return };
        for _ in 0..TURN {
            let item = {
                let mut lane = self.0.lock();
                let Some(item) = lane.queue.pop_front() else {
                    lane.hash = Some(hash);
                    lane.running = false;
                    return;
                };
                item
            };
            match item {
                Item::Bytes(bytes, permit) => {
                    hash.update(&bytes);
                    drop((bytes, permit));
                }
                // The receiver may be gone.
                Item::State(asked) => drop(asked.send(hash.clone())),
            }
        }
        self.0.lock().hash = Some(hash);
        self.start();
    }
}

/// A batch that waits for a batch of another upload.
struct Waiting {
    hashing: Hashing,
    bytes: Bytes,
    /// Notified when the batch is hashed.
    done: oneshot::Sender<()>,
}

impl Waiting {
    /// Reports that the batch is hashed.
    fn end(self) {
        // The buffer is freed first, because the waiting upload may need one.
        drop(self.bytes);
        // The waiting upload may be gone.
        let _ = self.done.send(());
    }
}

/// A batch that was offered for pairing. If it still waits when this is dropped, the drop hashes it alone.
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

/// Hashes batches of different uploads in pairs: a pair costs little more than one batch.
#[derive(Default)]
pub(crate) struct Pairs(Mutex<Option<Waiting>>);

impl Pairs {
    /// Adds bytes to a hash that [is idle](Hashing::is_idle), on a thread that receives bodies. If another upload has a
    /// batch soon, the two are hashed together, on this thread or on the other upload's; otherwise the bytes are hashed
    /// alone.
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
        // The drop hashes the batch alone, unless another thread already hashes it.
        drop(offered);
        hashed.await.map_err(|_| stopped())
    }

    /// Hashes the bytes at once together with a waiting batch, if there is one. Otherwise the bytes wait: the returned
    /// channel tells when they are hashed.
    fn offer(&self, hashing: &Hashing, bytes: Bytes) -> Option<oneshot::Receiver<()>> {
        let mut place = self.0.lock();
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
        self.0.lock().take_if(|waiting| Arc::ptr_eq(&waiting.hashing.0, &hashing.0))
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::{Algorithm, Digest};

    use super::*;

    #[tokio::test]
    async fn a_state_covers_exactly_the_bytes_that_were_added_before_its_request() {
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

    /// Asserts that `hashing` has the digest of `all`.
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
        assert!(pairs.0.lock().is_none(), "no batch waits");
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
    async fn a_batch_whose_upload_is_gone_is_hashed_and_does_not_affect_another() {
        let (pairs, hashing) = (Pairs::default(), Hashing::new(HashState::new(Algorithm::Sha256)));
        let gone = Hashing::new(HashState::new(Algorithm::Sha256));
        let stopped = tokio::time::timeout(Duration::ZERO, pairs.update(&gone, Bytes::from_static(b"gone")));
        // The timeout stops the update in the middle on some machines, and not on others.
        let _ = stopped.await;
        pairs.update(&hashing, Bytes::from_static(b"here")).await.unwrap();
        assert_hashed(&hashing, b"here").await;
        assert_hashed(&gone, b"gone").await;
    }
}
