//! The bytes of one upload that wait to be written and hashed together, within a budget that all uploads share.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A full batch: large enough that handing it to other threads costs little, small enough to stay in a core's cache.
pub(crate) const FULL: usize = 512 << 10;

/// What an upload may hold without asking: so that a thousand slow ones do not stop the fast ones.
const FREE: usize = 16 << 10;

/// More pieces than this cost more to keep than their bytes.
const MOST_CHUNKS: usize = 512;

/// The unit in which the budget is counted.
const UNIT: usize = 4 << 10;

/// A budget of bytes that batches take from and give back.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }
}

/// Bytes that belong together in one write.
#[derive(Default)]
pub(crate) struct Batch {
    chunks: Vec<Bytes>,
    length: usize,
    granted: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Batch {
    /// Takes the next bytes; true when the batch should be processed now, because it is full or the budget is.
    pub(crate) fn push(&mut self, chunk: Bytes, budget: &Budget) -> bool {
        if chunk.is_empty() {
            return false;
        }
        self.length += chunk.len();
        self.chunks.push(chunk);
        self.length >= FULL || self.chunks.len() >= MOST_CHUNKS || !self.grant(budget)
    }

    /// Whether the budget covers what is held. Never waits: who is refused processes what it has.
    fn grant(&mut self, budget: &Budget) -> bool {
        let need = self.length.saturating_sub(FREE).div_ceil(UNIT);
        if need <= self.granted {
            return true;
        }
        // Ask for a whole batch at once, so that a fast upload asks once.
        let ask = (FULL / UNIT - self.granted).max(need - self.granted);
        let Ok(permit) = Arc::clone(&budget.0).try_acquire_many_owned(ask as u32) else { return false };
        self.granted += ask;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn length(&self) -> u64 {
        self.length as u64
    }

    /// The bytes, and the share of the budget that they hold until dropped.
    pub(crate) fn into_parts(self) -> (Vec<Bytes>, Option<OwnedSemaphorePermit>) {
        (self.chunks, self.permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_ready_when_it_is_full() {
        let budget = Budget::new(1 << 20);
        let mut batch = Batch::default();
        assert!(!batch.push(Bytes::from(vec![0; FULL - 1]), &budget));
        assert!(batch.push(Bytes::from_static(b"x"), &budget));
        assert_eq!(batch.length(), FULL as u64);
    }

    #[test]
    fn without_budget_a_batch_is_ready_as_soon_as_it_passes_the_free_allowance() {
        let budget = Budget::new(FULL);
        let mut rich = Batch::default();
        assert!(!rich.push(Bytes::from(vec![0; FREE + 1]), &budget));
        let mut poor = Batch::default();
        assert!(!poor.push(Bytes::from(vec![0; FREE]), &budget));
        assert!(poor.push(Bytes::from_static(b"x"), &budget));
        drop(rich);
        assert!(
            !Batch::default().push(Bytes::from(vec![0; FREE + 1]), &budget),
            "a dropped batch gives back"
        );
    }

    #[test]
    fn many_tiny_chunks_do_not_pile_up() {
        let budget = Budget::new(1 << 20);
        let mut batch = Batch::default();
        let ready =
            (0..MOST_CHUNKS).map(|_| batch.push(Bytes::from_static(b"x"), &budget)).filter(|r| *r).count();
        assert_eq!(ready, 1);
    }
}
