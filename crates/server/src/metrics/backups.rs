//! The metrics of scheduled backups.

use std::sync::atomic::AtomicU64;

use hythe_backup::{Summary, Time};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry as Set, Unit};

/// The metrics of scheduled backups.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    runs: Counter,
    failures: Counter,
    bytes: Counter,
    last: Gauge<u64, AtomicU64>,
    lacks: Gauge<u64, AtomicU64>,
    interval: Gauge<u64, AtomicU64>,
}

impl Backups {
    pub(super) fn register(&self, set: &mut Set) {
        set.register("backup_runs", "Scheduled backups that were made", self.runs.clone());
        set.register("backup_failures", "Scheduled backups and prunes that failed", self.failures.clone());
        let bytes = self.bytes.clone();
        set.register_with_unit("backup_new", "Bytes that scheduled backups copied", Unit::Bytes, bytes);
        set.register_with_unit(
            "backup_last_success_timestamp",
            "Time of the newest backup at backup.destination, since the Unix epoch; 0 before it is known",
            Unit::Seconds,
            self.last.clone(),
        );
        let lacks = self.lacks.clone();
        set.register("backup_lacking_blobs", "Blobs that the newest scheduled backup lacks", lacks);
        set.register_with_unit(
            "backup_interval",
            "Time between two scheduled backups; 0 without a destination",
            Unit::Seconds,
            self.interval.clone(),
        );
    }

    /// Notes the time between two backups; 0 if there are none.
    pub(crate) fn every(&self, seconds: u64) {
        self.interval.set(seconds);
    }

    /// Notes the time of the newest backup.
    pub(crate) fn newest(&self, time: Option<Time>) {
        self.last.set(time.map_or(0, |time| time.millis() / 1000));
    }

    /// Counts a backup.
    pub(crate) fn made(&self, summary: &Summary) {
        self.runs.inc();
        self.bytes.inc_by(summary.new_bytes);
        self.lacks.set(summary.lacks);
    }

    /// Counts a failure.
    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}
