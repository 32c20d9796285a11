//! Removes old snapshots, and the files that no snapshot needs, in two phases: a prune notes such a file with the time, and
//! a later one removes it if still no snapshot needs it. Between the two a backup may name it again.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use hythe_oci::Digest;
use hythe_registry::Record;

use crate::destination::{UNLISTED, Unneeded};
use crate::running::{Kind, Running, running};
use crate::{Destination, Records, Result, Time};

/// How many blobs are removed between two looks at the clock.
const STEP: usize = 256;

/// Which snapshots stay. The newest always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The newest ones, this many.
    Newest(usize),
    /// Those of this last time.
    Within(Duration),
}

/// A prune.
#[derive(Clone, Copy, Debug)]
pub struct Prune {
    /// Which snapshots stay.
    pub keep: Keep,
    /// How long a blob stays after a prune found it in no snapshot.
    pub grace: Duration,
    /// Whether to change nothing, and only count.
    pub dry_run: bool,
}

/// What a prune did, or would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The snapshots that were removed, the oldest first.
    pub snapshots: Vec<Time>,
    /// How many are left.
    pub kept: u64,
    /// Blobs and other files that were removed.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs and other files that no snapshot needs and that stay for now.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// How many backups are in progress: while one is, no blob is removed.
    pub backups: usize,
}

impl Prune {
    /// Prunes a folder of backups. Blocking.
    pub fn run(&self, destination: &Destination) -> Result<Pruned> {
        let mut this = Running::begin(destination, Kind::Prune)?;
        // Behind the line above: see the module `running`.
        let backups = running(destination, Kind::Backup)?;
        let now = Time::now();
        let snapshots = destination.snapshots()?;
        let (kept, old) = self.split(&snapshots, now);
        let mut pruned =
            Pruned { snapshots: old.clone(), kept: kept.len() as u64, backups, ..Pruned::default() };
        // Read first: a snapshot that cannot be read might name any blob, and then nothing may go.
        let listed = listed(destination, &kept)?;
        let known = known(destination)?;
        if !self.dry_run {
            old.iter().try_for_each(|time| destination.remove_snapshot(*time))?;
        }
        let (mut unlisted, mut due) = (BTreeMap::new(), Vec::new());
        destination.each_unneeded(
            |digest| listed.contains(digest),
            |Unneeded { key, name, size }| {
                let since = known.get(&key).copied().filter(|since| *since <= now.millis());
                let is_due = since.is_some_and(|since| now.minus(self.grace).millis() >= since)
                    || self.grace.is_zero();
                if is_due && backups == 0 {
                    due.push((name, size));
                } else {
                    pruned.waiting += 1;
                    pruned.waiting_bytes += size;
                    unlisted.insert(key, since.unwrap_or(now.millis()));
                }
                Ok(())
            },
        )?;
        for part in due.chunks(STEP) {
            if !self.dry_run {
                if !this.is_seen() {
                    // The machine slept: a backup may have begun meanwhile. The next prune goes on.
                    break;
                }
                destination.remove(&part.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
                this.renew()?;
            }
            pruned.blobs += part.len() as u64;
            pruned.bytes += part.iter().map(|(_, size)| size).sum::<u64>();
        }
        if !self.dry_run {
            let text = serde_json::to_vec(&unlisted).unwrap_or_default();
            destination.write(UNLISTED, &text)?;
        }
        Ok(pruned)
    }

    /// The snapshots that stay, and those that go.
    fn split(&self, snapshots: &[Time], now: Time) -> (Vec<Time>, Vec<Time>) {
        let newest = snapshots.last();
        let first = match self.keep {
            Keep::Newest(count) => snapshots.len().saturating_sub(count),
            Keep::Within(time) => snapshots.partition_point(|at| *at < now.minus(time)),
        };
        let stays = |place: usize, time: &Time| place >= first || Some(time) == newest;
        let (kept, old): (Vec<_>, Vec<_>) =
            snapshots.iter().enumerate().partition(|(place, time)| stays(*place, time));
        let times = |list: Vec<(usize, &Time)>| list.into_iter().map(|(_, time)| *time).collect();
        (times(kept), times(old))
    }
}

/// The blobs and manifests that these snapshots name.
fn listed(destination: &Destination, snapshots: &[Time]) -> Result<HashSet<Digest>> {
    let mut listed = HashSet::new();
    for time in snapshots {
        for record in Records::open(destination, *time)? {
            if let Record::Manifest { digest, .. } | Record::Link { digest, .. } = record? {
                listed.insert(digest);
            }
        }
    }
    Ok(listed)
}

/// The files that an earlier prune found unneeded, and when.
fn known(destination: &Destination) -> Result<BTreeMap<String, u64>> {
    let text = destination.read(UNLISTED)?;
    // A list that is damaged is begun anew: each file then stays for its whole grace again.
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_no_snapshot_needs_are_told_and_go_in_two_phases_but_not_while_a_backup_runs() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::create(folder.path()).unwrap();
        let digest = Digest::of(hythe_oci::Algorithm::Sha256, b"x");
        let blob = format!("blobs/sha256/{}/{}", &digest.hex()[..2], digest.hex());
        for name in [&blob, "blobs/sha256/strange", "damaged/sha256-old", "snapshots/2026.zst.claim"] {
            destination.write(name, b"x").unwrap();
        }
        destination.write("notes.txt", b"x").unwrap();
        let found = crate::verify(&destination, &crate::Progress::default()).unwrap();
        assert_eq!((found.unlisted, found.unlisted_bytes, found.bad_count), (4, 4, 0));
        let prune = |grace| Prune { keep: Keep::Newest(1), grace, dry_run: false }.run(&destination).unwrap();
        let first = prune(Duration::from_hours(1));
        assert_eq!((first.blobs, first.waiting, first.waiting_bytes), (0, 4, 4));
        let backup = Running::begin(&destination, Kind::Backup).unwrap();
        assert_eq!((prune(Duration::ZERO).blobs, prune(Duration::ZERO).waiting), (0, 4));
        drop(backup);
        assert_eq!((prune(Duration::ZERO).blobs, prune(Duration::ZERO).waiting), (4, 0));
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn the_newest_snapshot_always_stays() {
        let times: Vec<Time> = (1..=5).map(|hour| Time::from_millis(hour * 3_600_000)).collect();
        let now = Time::from_millis(6 * 3_600_000);
        let hours = Duration::from_hours;
        for (keep, kept) in [
            (Keep::Newest(0), 1),
            (Keep::Newest(2), 2),
            (Keep::Newest(9), 5),
            (Keep::Within(hours(0)), 1),
            (Keep::Within(hours(3)), 3),
            (Keep::Within(hours(9)), 5),
        ] {
            let prune = Prune { keep, grace: hours(1), dry_run: false };
            let (stay, go) = prune.split(&times, now);
            assert_eq!((stay.len(), go.len()), (kept, 5 - kept), "{keep:?}");
            assert_eq!(stay, times[5 - kept..], "{keep:?}");
        }
    }
}
