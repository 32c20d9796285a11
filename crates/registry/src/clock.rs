//! The clock by which a registry tells times: when content was pushed, pulled and last used, and when it is due.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the current time. The program uses the [`SystemClock`]; a test hands in a clock that it sets.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> SystemTime;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A time in milliseconds since the Unix epoch, as the catalog counts time; 0 for a time before the epoch.
pub(crate) fn stamp(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// A duration in milliseconds, the unit of the catalog's times.
pub(crate) fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}
