//! A clock that a test sets forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hythe_registry::Clock;

/// The clock of this machine, and how far a test has set it forward. Clones are one clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestClock {
    forward: Arc<AtomicU64>,
}

impl TestClock {
    /// Sets the clock forward. A fraction of a millisecond is lost.
    pub(crate) fn pass(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).expect("a test passes less than a million years");
        self.forward.fetch_add(time, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_millis(self.forward.load(Ordering::Relaxed))
    }
}
