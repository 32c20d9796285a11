//! Limits how fast a scripted upstream sends, over all connections together.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The most bytes in one write.
const SLICE: usize = 64 << 10;

/// How much of a sleep's excess time is made up for.
const LAG: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Pace(Mutex<Limit>);

#[derive(Debug)]
struct Limit {
    bytes_per_second: Option<u64>,
    /// When all bytes that were allowed so far are sent.
    free: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Limit { bytes_per_second: None, free: Instant::now() }))
    }
}

impl Pace {
    pub(super) fn limit(&self, bytes_per_second: Option<u64>) {
        *self.0.lock() = Limit { bytes_per_second, free: Instant::now() };
    }

    /// How many of the waiting bytes may be sent, at least one, and how long to wait before.
    pub(super) fn take(&self, waiting: usize) -> (usize, Duration) {
        let mut limit = self.0.lock();
        let Some(rate) = limit.bytes_per_second else { return (waiting.min(SLICE), Duration::ZERO) };
        let rate = rate.max(1);
        // The bytes of a hundredth of a second, so that connections share the rate evenly.
        let slice = waiting.min((rate / 100).clamp(1, SLICE as u64) as usize);
        let now = Instant::now();
        let start = now.checked_sub(LAG).map_or(limit.free, |earliest| limit.free.max(earliest));
        limit.free = start + Duration::from_nanos(slice as u64 * 1_000_000_000 / rate);
        (slice, limit.free.saturating_duration_since(now))
    }
}
