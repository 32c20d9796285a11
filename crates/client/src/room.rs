//! Memory for answers that are read whole, such as lists: all who wait for one share it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An answer of so many bytes is a short one.
const SHORT: usize = 64 << 10;

/// What a permit stands for, in bytes.
const UNIT: usize = 1 << 10;

/// Memory for answers that are read whole, so many bytes for all of them together. A clone is the same memory.
///
/// Short answers wait for nothing but room. Of long ones there is one at a time, so that no two wait for room that the
/// other has.
#[derive(Clone, Debug)]
pub struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    units: Arc<Semaphore>,
    most: usize,
    long: Arc<Semaphore>,
}

/// What one answer takes of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    length: usize,
    units: Option<OwnedSemaphorePermit>,
    long: Option<OwnedSemaphorePermit>,
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

impl Room {
    /// Room for so many bytes. A single answer that has more gets all of it.
    pub fn new(bytes: usize) -> Self {
        let most = units(bytes.max(SHORT)).min(Semaphore::MAX_PERMITS >> 1);
        let (units, long) = (Arc::new(Semaphore::new(most)), Arc::new(Semaphore::new(1)));
        Self(Arc::new(Shared { units, most, long }))
    }

    /// Nothing of it yet.
    pub(crate) fn enter(&self) -> Held {
        Held { room: self.clone(), length: 0, units: None, long: None }
    }
}

impl Held {
    /// Waits until there is room for `length` bytes in all.
    pub(crate) async fn hold(&mut self, length: usize) {
        let shared = Arc::clone(&self.room.0);
        let length = length.max(SHORT);
        if length <= self.length {
            return;
        }
        if length > SHORT && self.long.is_none() {
            // Nobody closes it: an error cannot be.
            self.long = Arc::clone(&shared.long).acquire_owned().await.ok();
        }
        let (has, wanted) = (units(self.length).min(shared.most), units(length).min(shared.most));
        let more = u32::try_from(wanted - has).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&shared.units).acquire_many_owned(more).await {
            match &mut self.units {
                Some(units) => units.merge(more),
                None => self.units = Some(more),
            }
        }
        self.length = length;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Whether it need not wait.
    async fn holds(held: &mut Held, length: usize) -> bool {
        let mut wait = pin!(held.hold(length));
        poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_ready())).await
    }

    #[tokio::test]
    async fn all_answers_together_take_no_more_than_there_is() {
        let room = Room::new(10 * SHORT);
        let mut held: Vec<Held> = (0..11).map(|_| room.enter()).collect();
        for held in &mut held[..10] {
            assert!(holds(held, 1).await && holds(held, SHORT).await, "what is short is held once");
        }
        assert!(!holds(&mut held[10], 1).await);
        held.remove(0);
        assert!(holds(&mut held[9], 1).await);
    }

    #[tokio::test]
    async fn of_long_answers_there_is_one_at_a_time_and_short_ones_go_on_beside_it() {
        let room = Room::new(10 * SHORT);
        let (mut first, mut second, mut short) = (room.enter(), room.enter(), room.enter());
        assert!(holds(&mut first, 1).await && holds(&mut second, 1).await);
        assert!(holds(&mut first, 6 * SHORT).await);
        assert!(!holds(&mut second, 2 * SHORT).await, "the first is a long one");
        assert!(holds(&mut short, SHORT).await);
        drop(first);
        assert!(holds(&mut second, 9 * SHORT).await);
    }

    #[tokio::test]
    async fn an_answer_that_has_more_gets_all_there_is() {
        let room = Room::new(2 * SHORT);
        let mut held = room.enter();
        assert!(holds(&mut held, 9 * SHORT).await && holds(&mut held, 99 * SHORT).await);
        assert!(!holds(&mut room.enter(), 1).await);
        drop(held);
        assert!(holds(&mut room.enter(), 1).await);
    }
}
