//! How much room the registry has: its budget, what it stores, and what the volume has left.

use std::fmt;

/// The budget of [`Budget::Auto`], as a share of the volume.
const AUTO: Amount = Amount::Percent(80);

/// The part of a budget, as a divisor, by which an eviction goes below it, so that not each fetch evicts.
const SLACK: u64 = 64;

/// The most bytes by which an eviction goes below the budget or above the floor.
const MOST_SLACK: u64 = 1 << 30;

/// The least growth between two rounds of eviction that do not reach their goal, in bytes.
const LEAST_SLACK: u64 = 1 << 20;

/// An amount of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// This many bytes.
    Bytes(u64),
    /// This share of the volume.
    Percent(u8),
}

impl Amount {
    /// The amount in bytes; `None` for a share of a volume whose size is not known.
    fn of(self, size: Option<u64>) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Percent(share) => {
                size.map(|size| size / 100 * u64::from(share) + size % 100 * u64::from(share) / 100)
            }
        }
    }
}

/// How much the registry may store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// 80 % of the volume. Cached content is removed to keep to it; pushed content may exceed it.
    Auto,
    /// This amount. Pushes are refused too when the registry stores more and has no cached content left to remove.
    Set(Amount),
}

/// The room of a registry at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What the registry stores, in bytes: blobs, uploads, and the catalog.
    pub stored: u64,
    /// How much it may store; `None` if it has no budget.
    pub budget: Option<u64>,
    /// Whether pushes are refused too when it stores more.
    pub is_firm: bool,
    /// The size of its volume; `None` if it has none.
    pub size: Option<u64>,
    /// How many bytes of the volume are free.
    pub free: Option<u64>,
    /// How many bytes of the volume should stay free.
    pub floor: Option<u64>,
    /// How many bytes of `stored` are still coming from upstreams.
    pub coming: u64,
}

impl Space {
    pub(crate) fn new(
        stored: u64,
        coming: u64,
        room: Option<hythe_storage::Room>,
        budget: Budget,
        floor: Amount,
    ) -> Self {
        let size = room.map(|room| room.size);
        let (amount, is_firm) = match budget {
            Budget::Auto => (AUTO, false),
            Budget::Set(amount) => (amount, true),
        };
        let free = room.map(|room| room.free);
        Self { stored, budget: amount.of(size), is_firm, size, free, floor: free.and(floor.of(size)), coming }
    }

    /// By how many bytes the registry exceeds its budget, or the volume lacks free space: the larger of both.
    pub fn excess(&self) -> u64 {
        self.above_budget().max(self.below_floor(self.coming))
    }

    /// How many bytes to remove, so that the next fetch need not remove any: 0 if there is no [excess](Self::excess).
    pub fn goal(&self) -> u64 {
        match self.excess() {
            0 => 0,
            excess => excess + self.slack(),
        }
    }

    /// Why pushes are refused, if no more can be removed.
    pub fn full(&self) -> Option<Full> {
        let is_full = self.below_floor(0) > 0 || (self.is_firm && self.above_budget() > 0);
        is_full.then_some(Full(*self))
    }

    /// What the registry may store until the next round of eviction: the budget, or less if the volume would have less
    /// free space than its floor. After a round that could not remove enough, a little more than it stores now, so that
    /// rounds do not follow each other without end.
    pub(crate) fn mark(&self) -> u64 {
        let until_floor = self.floor.zip(self.free).map(|(floor, free)| {
            self.stored.saturating_sub(self.coming).saturating_add(free.saturating_sub(floor))
        });
        let limit = self.budget.unwrap_or(u64::MAX).min(until_floor.unwrap_or(u64::MAX));
        if self.excess() == 0 { limit } else { self.stored.saturating_add(self.slack().max(LEAST_SLACK)) }
    }

    fn slack(&self) -> u64 {
        (self.budget.unwrap_or_default() / SLACK).min(MOST_SLACK)
    }

    fn above_budget(&self) -> u64 {
        self.budget.map_or(0, |budget| self.stored.saturating_sub(budget))
    }

    /// How much free space lacks when `coming` more bytes have come.
    fn below_floor(&self, coming: u64) -> u64 {
        self.floor.zip(self.free).map_or(0, |(floor, free)| floor.saturating_add(coming).saturating_sub(free))
    }
}

/// Why a push is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full(Space);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Space { stored, budget, free, floor, .. } = self.0;
        if self.0.below_floor(0) > 0 {
            let (free, floor) = (free.unwrap_or_default(), floor.unwrap_or_default());
            write!(
                f,
                "the volume of the registry's data is full: {} are free, less than the floor of {} (disk.floor), the registry \
                 stores {}, and no cached content is left to remove",
                Size(free),
                Size(floor),
                Size(stored)
            )
        } else {
            write!(
                f,
                "the registry is full: it stores {}, more than its budget of {} (disk.budget), and no cached content is left \
                 to remove",
                Size(stored),
                Size(budget.unwrap_or_default())
            )
        }
    }
}

/// A number of bytes as people read it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut tenths = u128::from(self.0) * 10 / 1024;
        let mut unit = 0;
        while tenths >= 10_240 && unit + 1 < UNITS.len() {
            tenths /= 1024;
            unit += 1;
        }
        write!(f, "{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::Room;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_share_follows_a_volume_that_grows() {
        let space = |size| {
            let room = Some(Room { size, free: size / 2 });
            Space::new(9 * GIB, 0, room, Budget::Auto, Amount::Percent(1))
        };
        assert_eq!((space(10 * GIB).budget, space(10 * GIB).excess()), (Some(8 * GIB), GIB));
        assert_eq!(space(20 * GIB).excess(), 0);
    }

    #[test]
    fn a_small_volume_keeps_a_small_floor_and_storage_without_a_volume_has_none() {
        let room = Some(Room { size: 100 << 20, free: 0 });
        let space = Space::new(0, 0, room, Budget::Auto, Amount::Percent(1));
        assert_eq!((space.floor, space.excess()), (Some(1 << 20), 1 << 20));
        let space = Space::new(GIB, 0, None, Budget::Auto, Amount::Percent(1));
        assert_eq!((space.budget, space.floor, space.excess(), space.full()), (None, None, 0, None));
    }

    #[test]
    fn only_a_budget_that_was_set_and_the_floor_refuse_pushes() {
        let room = Some(Room { size: 10 * GIB, free: GIB });
        let full = |budget, floor| Space::new(9 * GIB, 0, room, budget, floor).full();
        assert_eq!(full(Budget::Auto, Amount::Percent(1)), None);
        let set = full(Budget::Set(Amount::Bytes(8 * GIB)), Amount::Percent(1)).unwrap().to_string();
        assert!(set.contains("9.0 GiB") && set.contains("budget of 8.0 GiB"), "{set}");
        let floor = full(Budget::Auto, Amount::Percent(50)).unwrap().to_string();
        assert!(floor.contains("1.0 GiB are free") && floor.contains("floor of 5.0 GiB"), "{floor}");
    }

    #[test]
    fn an_eviction_goes_a_little_below_the_budget() {
        let space = |stored| Space::new(stored, 0, None, Budget::Set(Amount::Bytes(GIB)), Amount::Percent(1));
        assert_eq!(space(GIB).goal(), 0);
        assert_eq!(space(GIB + 1).goal(), 1 + GIB / 64);
    }
}
