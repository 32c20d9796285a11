//! The bytes of one upload that wait to be written and hashed together, within a budget that all uploads share.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A full batch: large enough that handing it to other threads costs little, small enough to stay in a core's cache.
pub(crate) const FULL: usize = hythe_storage::WRITE;

/// What an upload may hold without asking: so that a thousand slow ones do not stop the fast ones.
const FREE: usize = 8 << 10;

/// Pieces this small are copied together: each would keep alive the whole buffer that it was received in, which is
/// several times its length and not counted in the budget.
const SMALL: usize = 16 << 10;

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

/// Bytes that belong together in one write, which ends where a multiple of [`FULL`] does.
pub(crate) struct Batch {
    chunks: Vec<Bytes>,
    /// Small pieces after the last of `chunks`.
    tail: BytesMut,
    length: usize,
    room: usize,
    granted: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl Batch {
    /// An empty batch that starts at `offset`.
    pub(crate) fn at(offset: u64) -> Self {
        let room = FULL - (offset % FULL as u64) as usize;
        Self { chunks: Vec::new(), tail: BytesMut::new(), length: 0, room, granted: 0, permit: None }
    }

    /// Takes of the next bytes what it has room for; true when it should be processed now, because it is full or
    /// the budget is.
    pub(crate) fn push(&mut self, bytes: &mut Bytes, budget: &Budget) -> bool {
        let chunk = bytes.split_to(bytes.len().min(self.room));
        if chunk.is_empty() {
            return false;
        }
        self.length += chunk.len();
        self.room -= chunk.len();
        if chunk.len() <= SMALL {
            self.copy(&chunk);
        } else {
            self.end_tail();
            self.chunks.push(chunk);
        }
        self.room == 0 || !self.grant(budget)
    }

    fn copy(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            if self.tail.capacity() == 0 {
                self.tail = BytesMut::with_capacity(SMALL);
            }
            let (now, later) = piece.split_at(piece.len().min(self.tail.capacity() - self.tail.len()));
            self.tail.extend_from_slice(now);
            piece = later;
            if self.tail.len() == self.tail.capacity() {
                self.end_tail();
            }
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(std::mem::take(&mut self.tail).freeze());
        }
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
        self.length == 0
    }

    /// Whether it holds more than the budget has granted.
    pub(crate) fn is_starved(&self) -> bool {
        self.length > FREE + self.granted * UNIT
    }

    pub(crate) fn length(&self) -> u64 {
        self.length as u64
    }

    /// The bytes, and the share of the budget that they hold until dropped.
    pub(crate) fn into_parts(mut self) -> (Vec<Bytes>, Option<OwnedSemaphorePermit>) {
        self.end_tail();
        (self.chunks, self.permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(batch: &mut Batch, length: usize, budget: &Budget) -> bool {
        batch.push(&mut Bytes::from(vec![0; length]), budget)
    }

    #[test]
    fn a_batch_is_ready_when_it_is_full() {
        let budget = Budget::new(1 << 20);
        let mut batch = Batch::at(0);
        assert!(!push(&mut batch, FULL - 1, &budget));
        assert!(push(&mut batch, 1, &budget));
        assert_eq!(batch.length(), FULL as u64);
    }

    #[test]
    fn a_batch_ends_at_a_multiple_of_its_size_and_leaves_the_rest() {
        let budget = Budget::new(1 << 20);
        let mut batch = Batch::at(FULL as u64 * 3 + 100);
        let mut bytes = Bytes::from(vec![0; FULL]);
        assert!(batch.push(&mut bytes, &budget));
        assert_eq!((batch.length(), bytes.len()), (FULL as u64 - 100, 100));
    }

    #[test]
    fn without_budget_a_batch_is_ready_as_soon_as_it_passes_the_free_allowance() {
        let budget = Budget::new(FULL);
        let mut rich = Batch::at(0);
        assert!(!push(&mut rich, FREE + 1, &budget));
        let mut poor = Batch::at(0);
        assert!(!push(&mut poor, FREE, &budget));
        assert!(push(&mut poor, 1, &budget));
        assert!(poor.is_starved() && !rich.is_starved());
        drop(rich);
        assert!(!push(&mut Batch::at(0), FREE + 1, &budget), "a dropped batch gives back");
    }

    #[test]
    fn tiny_chunks_are_copied_together_in_their_order() {
        let budget = Budget::new(1 << 20);
        let mut batch = Batch::at(0);
        let mut all = Vec::new();
        for number in 0..10_000_u32 {
            let piece = number.to_le_bytes();
            all.extend_from_slice(&piece);
            batch.push(&mut Bytes::copy_from_slice(&piece), &budget);
        }
        batch.push(&mut Bytes::from(vec![7; SMALL + 1]), &budget);
        all.resize(all.len() + SMALL + 1, 7);
        let (chunks, _permit) = batch.into_parts();
        assert!(chunks.len() <= 4, "{} pieces", chunks.len());
        assert_eq!(chunks.concat(), all);
    }
}
