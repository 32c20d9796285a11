//! The memory that all manifests share while they come in, and until they are stored.
//!
//! Most are small, so a part is for those alone: however many large ones come and never end, small ones are taken. Of large
//! ones the oldest gives way where there is no room for another: whoever sends at all has sent it by then.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What is counted, in bytes.
const UNIT: usize = 1 << 10;

/// Up to so many bytes a manifest is small.
pub(crate) const SMALL: usize = 16 << 10;

/// For all small ones, in bytes.
const ALL_SMALL: usize = 8 << 20;

/// For all others, in bytes; more where one alone may be larger.
const ALL_LARGE: usize = 8 << 20;

/// A large one that is under way for so long may have to give way.
const OLD: Duration = Duration::from_secs(10);

/// How long one waits for room before its client is told to come back: most clients wait better than they come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// All of it.
#[derive(Debug)]
pub(crate) struct ManifestRoom {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// How many units the second has.
    all_large: usize,
    /// Those that have a part of the second, in the order in which they came to it.
    holders: Mutex<VecDeque<Arc<Holder>>>,
}

#[derive(Debug)]
struct Holder {
    since: Instant,
    /// Told to give way.
    cut: Notify,
}

/// Why there is no room.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// Not now.
    Crowded,
    /// It had some, and was too slow.
    Cut,
}

impl NoRoom {
    /// That it was too slow, as the client is told.
    pub(crate) fn cut() -> io::Error {
        let message = format!(
            "the memory for manifests is used up, and this one did not come within {} s; send it again",
            OLD.as_secs()
        );
        io::Error::new(io::ErrorKind::TimedOut, message)
    }
}

impl ManifestRoom {
    /// For manifests of at most `most` bytes each.
    pub(crate) fn new(most: usize) -> Self {
        let all_large = ALL_LARGE.max(most).div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self {
            small: Arc::new(Semaphore::new(ALL_SMALL / UNIT)),
            large: Arc::new(Semaphore::new(all_large)),
            all_large,
            holders: Mutex::default(),
        }
    }

    fn holders(&self) -> MutexGuard<'_, VecDeque<Arc<Holder>>> {
        // Held for one change of the list.
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of it, which is nothing yet.
    pub(crate) fn part(&self) -> Part<'_> {
        Part { room: self, permit: None, holder: None }
    }

    /// Tells the oldest to give way, if it is old enough.
    fn cut_oldest(&self) {
        let mut holders = self.holders();
        if holders.front().is_some_and(|oldest| oldest.since.elapsed() > OLD)
            && let Some(oldest) = holders.pop_front()
        {
            oldest.cut.notify_one();
        }
    }
}

/// What one manifest has of it, until dropped.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    room: &'a ManifestRoom,
    permit: Option<OwnedSemaphorePermit>,
    /// Where it is of the part for large ones.
    holder: Option<Arc<Holder>>,
}

impl Part<'_> {
    /// Makes it `bytes` at least, as soon as there is room.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let is_large = bytes > SMALL;
        // One that may be larger than all of it has all of it.
        let wanted =
            if is_large { bytes.div_ceil(UNIT).min(self.room.all_large) } else { bytes.div_ceil(UNIT) };
        let had = if is_large == self.holder.is_some() { &self.permit } else { &None };
        let missing = wanted.saturating_sub(had.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if missing == 0 {
            return Ok(());
        }
        let room = if is_large { &self.room.large } else { &self.room.small };
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        let permit = if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(missing) {
            permit
        } else {
            if is_large {
                self.room.cut_oldest();
            }
            let waiting = timeout(PATIENCE, Arc::clone(room).acquire_many_owned(missing));
            tokio::select! {
                permit = waiting => permit.map_err(|_| NoRoom::Crowded)?.map_err(|_| NoRoom::Crowded)?,
                () = self.cut() => return Err(NoRoom::Cut),
            }
        };
        if is_large && self.holder.is_none() {
            let holder = Arc::new(Holder { since: Instant::now(), cut: Notify::new() });
            self.room.holders().push_back(Arc::clone(&holder));
            self.holder = Some(holder);
            // What it had of the part for small ones is free again.
            self.permit = None;
        }
        match &mut self.permit {
            Some(had) => had.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }

    /// Returns when it has to give way.
    pub(crate) async fn cut(&self) {
        match &self.holder {
            Some(holder) => holder.cut.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some(holder) = &self.holder {
            self.room.holders().retain(|other| !Arc::ptr_eq(other, holder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 4 << 20;

    /// Whether there is no room for it now.
    async fn waits(part: &mut Part<'_>, bytes: usize) -> bool {
        timeout(Duration::ZERO, part.grow(bytes)).await.is_err()
    }

    #[tokio::test]
    async fn small_ones_find_room_however_many_large_ones_hold_theirs() {
        let room = ManifestRoom::new(LARGE);
        let mut large: Vec<_> = (0..ALL_LARGE / LARGE).map(|_| room.part()).collect();
        for part in &mut large {
            part.grow(SMALL).await.unwrap();
            part.grow(LARGE).await.unwrap();
        }
        assert!(waits(&mut room.part(), LARGE).await);
        let mut small: Vec<_> = (0..ALL_SMALL / SMALL).map(|_| room.part()).collect();
        for part in &mut small {
            part.grow(SMALL).await.unwrap();
        }
        assert!(waits(&mut room.part(), 1).await, "of these there is an end too");
        drop((large, small));
        assert_eq!(room.small.available_permits() * UNIT, ALL_SMALL);
        assert_eq!(room.large.available_permits() * UNIT, ALL_LARGE);
        assert!(room.holders().is_empty());
    }

    #[tokio::test]
    async fn the_oldest_gives_way_to_one_for_which_there_is_no_room() {
        let room = ManifestRoom::new(LARGE);
        let (mut first, mut second) = (room.part(), room.part());
        first.grow(ALL_LARGE / 2).await.unwrap();
        second.grow(ALL_LARGE / 2).await.unwrap();
        let old = Instant::now().checked_sub(2 * OLD).unwrap();
        let holder = Arc::new(Holder { since: old, cut: Notify::new() });
        room.holders()[0] = Arc::clone(&holder);
        first.holder = Some(holder);
        let mut third = room.part();
        let (grown, cut) = tokio::join!(third.grow(LARGE), async {
            first.cut().await;
            drop(first);
        });
        grown.unwrap();
        let () = cut;
        assert_eq!(room.holders().len(), 2);
    }

    #[tokio::test]
    async fn one_that_may_be_larger_than_all_has_all() {
        let room = ManifestRoom::new(2 * ALL_LARGE);
        let mut part = room.part();
        part.grow(3 * ALL_LARGE).await.unwrap();
        assert_eq!(room.large.available_permits(), 0);
    }
}
