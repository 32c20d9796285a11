//! A clock that a schedule moves, in both directions.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_registry::Clock;

/// The clock of the registry, and the time that really passed.
#[derive(Debug)]
pub(crate) struct TestClock {
    shown: AtomicI64,
    passed: AtomicI64,
}

impl Default for TestClock {
    fn default() -> Self {
        // Some time in 2027.
        Self { shown: AtomicI64::new(1_800_000_000_000), passed: AtomicI64::new(0) }
    }
}

impl TestClock {
    /// Lets time pass.
    pub(crate) fn pass(&self, millis: i64) {
        self.shown.fetch_add(millis, Ordering::SeqCst);
        self.passed.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the clock back; no time passes.
    pub(crate) fn set_back(&self, millis: i64) {
        self.shown.fetch_sub(millis, Ordering::SeqCst);
    }

    /// How much time has passed, in milliseconds.
    pub(crate) fn passed(&self) -> i64 {
        self.passed.load(Ordering::SeqCst)
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.shown.load(Ordering::SeqCst).cast_unsigned())
    }
}
