//! Backups and prunes in progress: each has a file, so that no prune removes a blob that a backup is about to name.
//!
//! A backup creates its file first, and then looks for prunes; a prune does the reverse. So one of them always sees the
//! other: the backup waits, and the prune removes nothing. A file that its owner does not renew is ignored after a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::destination::RUNNING;
use crate::{Destination, Result, Time};

/// How long a file counts after its last renewal.
pub(crate) const LIFE: Duration = Duration::from_mins(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Backup,
    Prune,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Backup => "backup-",
            Self::Prune => "prune-",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Until {
    until: u64,
}

/// A backup or a prune in progress. Its file is removed with this value.
#[derive(Debug)]
pub(crate) struct Running {
    destination: Destination,
    name: String,
    until: Time,
    /// Whether the file did not count at some time since [`begin_anew`](Self::begin_anew).
    has_lapsed: bool,
}

impl Running {
    pub(crate) fn begin(destination: &Destination, kind: Kind) -> Result<Self> {
        let id = hythe_oci::UploadId::random();
        let name = format!("{RUNNING}/{}{id}.json", kind.prefix());
        let mut this = Self { destination: destination.clone(), name, until: Time::now(), has_lapsed: false };
        this.write()?;
        Ok(this)
    }

    pub(crate) fn renew(&mut self) -> Result<()> {
        self.has_lapsed = self.has_lapsed();
        self.write()
    }

    /// Renews the file, and forgets that it lapsed: the caller looks for other runs from now on.
    pub(crate) fn begin_anew(&mut self) -> Result<()> {
        self.has_lapsed = false;
        self.write()
    }

    /// Whether others may have looked while the file did not count: the machine slept, or the owner had no time to renew it.
    pub(crate) fn has_lapsed(&self) -> bool {
        // A run of the other kind that finds the file too old removes it.
        self.has_lapsed
            || until(&self.destination, &self.name).is_none_or(|until| !is_alive(until, Time::now()))
    }

    fn write(&mut self) -> Result<()> {
        self.until = Time::now().plus(LIFE);
        let until = serde_json::to_vec(&Until { until: self.until.millis() }).unwrap_or_default();
        self.destination.write(&self.name, &until)
    }

    /// Whether others still see this run, with a margin.
    pub(crate) fn is_seen(&self) -> bool {
        is_alive(self.until.minus(LIFE / 5), Time::now())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.destination.remove(std::slice::from_ref(&self.name));
    }
}

/// How many runs of this kind are in progress. Removes the files of those that ended without a word.
pub(crate) fn running(destination: &Destination, kind: Kind) -> Result<usize> {
    let (mut count, now) = (0, Time::now());
    for found in destination.list(RUNNING)? {
        let name = found?.name;
        if !name.strip_prefix(RUNNING).is_some_and(|name| name[1..].starts_with(kind.prefix())) {
            continue;
        }
        // A file that is gone or being replaced belongs to a run that ends or goes on: what cannot be read does not count.
        match until(destination, &name) {
            Some(until) if is_alive(until, now) => count += 1,
            Some(_) => destination.remove(&[name])?,
            None => {}
        }
    }
    Ok(count)
}

fn until(destination: &Destination, name: &str) -> Option<Time> {
    let until: Until = serde_json::from_slice(&destination.read(name).ok()??).ok()?;
    Some(Time::from_millis(until.until))
}

/// A time far ahead was written before the clock was set back: it does not count, or it would for as long as that.
fn is_alive(until: Time, now: Time) -> bool {
    now < until && until <= now.plus(2 * LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_until_it_ends_and_a_dead_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::create(folder.path()).unwrap();
        let backup = Running::begin(&destination, Kind::Backup).unwrap();
        assert_eq!(running(&destination, Kind::Backup).unwrap(), 1);
        assert_eq!(running(&destination, Kind::Prune).unwrap(), 0);
        drop(backup);
        assert_eq!(running(&destination, Kind::Backup).unwrap(), 0);
        for until in [Time::now().minus(Duration::from_secs(1)), Time::now().plus(100 * LIFE)] {
            let path = folder.path().join("running/backup-dead.json");
            std::fs::write(&path, format!("{{\"until\":{}}}", until.millis())).unwrap();
            assert_eq!(running(&destination, Kind::Backup).unwrap(), 0);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_run_knows_that_its_file_did_not_count_for_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::create(folder.path()).unwrap();
        let mut backup = Running::begin(&destination, Kind::Backup).unwrap();
        backup.renew().unwrap();
        assert!(!backup.has_lapsed());
        // The machine sleeps, and a prune looks.
        let dead = Time::now().minus(Duration::from_secs(1));
        std::fs::write(folder.path().join(&backup.name), format!("{{\"until\":{}}}", dead.millis())).unwrap();
        assert!(backup.has_lapsed());
        assert_eq!(running(&destination, Kind::Backup).unwrap(), 0);
        backup.renew().unwrap();
        assert_eq!(running(&destination, Kind::Backup).unwrap(), 1);
        assert!(backup.has_lapsed());
        backup.begin_anew().unwrap();
        assert!(!backup.has_lapsed());
    }
}
