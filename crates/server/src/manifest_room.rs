//! Bounds the memory of all manifests that are being received and not yet stored.
//!
//! Most manifests are small, so they have a pool of their own: even if many clients begin large manifests and never
//! finish, small ones are accepted. If the pool for large manifests has no room for another, its oldest one is cut off:
//! a client that sends at all has sent its manifest by then.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The unit in which memory is counted, in bytes.
const UNIT: usize = 1 << 10;

/// The largest small manifest, in bytes.
pub(crate) const SMALL: usize = 16 << 10;

/// The memory for all small manifests together, in bytes.
const ALL_SMALL: usize = 8 << 20;

/// The memory for all large manifests together, in bytes; more if a single manifest may be larger.
const ALL_LARGE: usize = 8 << 20;

/// The age after which a large manifest may be cut off to make room for another.
const OLD: Duration = Duration::from_secs(10);

/// How long a manifest waits for room before its client gets a 429: most clients handle a wait better than a 429.
const PATIENCE: Duration = Duration::from_secs(10);

/// The memory of all manifests that are being received.
#[derive(Debug)]
pub(crate) struct ManifestRoom {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// The units of `large`.
    all_large: usize,
    /// The large manifests that hold memory, oldest first.
    holders: Mutex<VecDeque<Arc<Holder>>>,
}

#[derive(Debug)]
struct Holder {
    since: Instant,
    /// Notified when the manifest is cut off.
    cut: Notify,
}

/// Why a manifest gets no memory.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// No memory became free in time.
    Crowded,
    /// The manifest was too slow and was cut off for another.
    Cut,
}

impl NoRoom {
    /// The error for the client of a manifest that was cut off.
    pub(crate) fn cut() -> io::Error {
        let message = format!(
            "the manifest did not arrive within {} s and was cut off to free memory for others; send it again",
            OLD.as_secs()
        );
        io::Error::new(io::ErrorKind::TimedOut, message)
    }
}

impl ManifestRoom {
    /// Room for manifests of at most `most` bytes each.
    pub(crate) fn new(most: usize) -> Self {
        let all_large = ALL_LARGE.max(most).div_ceil(UNIT).min(Semaphore::MAX_PERMITS);
        Self {
            small: Arc::new(Semaphore::new(ALL_SMALL / UNIT)),
            large: Arc::new(Semaphore::new(all_large)),
            all_large,
            holders: Mutex::default(),
        }
    }

    /// The part of one manifest, still empty.
    pub(crate) fn part(&self) -> Part<'_> {
        Part { room: self, permit: None, holder: None }
    }

    /// Cuts off the oldest large manifest, if it is older than `OLD`.
    fn cut_oldest(&self) {
        let mut holders = self.holders.lock();
        if holders.front().is_some_and(|oldest| oldest.since.elapsed() > OLD)
            && let Some(oldest) = holders.pop_front()
        {
            oldest.cut.notify_one();
        }
    }
}

/// The memory that one manifest holds, until dropped.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    room: &'a ManifestRoom,
    permit: Option<OwnedSemaphorePermit>,
    /// The manifest's entry in `holders`, if it is a large one.
    holder: Option<Arc<Holder>>,
}

impl Part<'_> {
    /// Grows the part to at least `bytes`; waits for room.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let is_large = bytes > SMALL;
        // A manifest that may be larger than the whole pool takes the whole pool.
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
            self.room.holders.lock().push_back(Arc::clone(&holder));
            self.holder = Some(holder);
            // Returns the memory that the manifest held of the pool for small ones.
            self.permit = None;
        }
        match &mut self.permit {
            Some(had) => had.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }

    /// Returns when the manifest is cut off.
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
            self.room.holders.lock().retain(|other| !Arc::ptr_eq(other, holder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 4 << 20;

    /// Whether `part` cannot grow at once.
    async fn waits(part: &mut Part<'_>, bytes: usize) -> bool {
        timeout(Duration::ZERO, part.grow(bytes)).await.is_err()
    }

    #[tokio::test]
    async fn small_manifests_find_room_while_large_ones_fill_their_pool() {
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
        assert!(waits(&mut room.part(), 1).await, "the pool for small ones is bounded too");
        drop((large, small));
        assert_eq!(room.small.available_permits() * UNIT, ALL_SMALL);
        assert_eq!(room.large.available_permits() * UNIT, ALL_LARGE);
        assert!(room.holders.lock().is_empty());
    }

    #[tokio::test]
    async fn the_oldest_large_manifest_is_cut_off_if_another_finds_no_room() {
        let room = ManifestRoom::new(LARGE);
        let (mut first, mut second) = (room.part(), room.part());
        first.grow(ALL_LARGE / 2).await.unwrap();
        second.grow(ALL_LARGE / 2).await.unwrap();
        let old = Instant::now().checked_sub(2 * OLD).unwrap();
        let holder = Arc::new(Holder { since: old, cut: Notify::new() });
        room.holders.lock()[0] = Arc::clone(&holder);
        first.holder = Some(holder);
        let mut third = room.part();
        let (grown, cut) = tokio::join!(third.grow(LARGE), async {
            first.cut().await;
            drop(first);
        });
        grown.unwrap();
        let () = cut;
        assert_eq!(room.holders.lock().len(), 2);
    }

    #[tokio::test]
    async fn a_manifest_larger_than_the_pool_takes_the_whole_pool() {
        let room = ManifestRoom::new(2 * ALL_LARGE);
        let mut part = room.part();
        part.grow(3 * ALL_LARGE).await.unwrap();
        assert_eq!(room.large.available_permits(), 0);
    }
}
