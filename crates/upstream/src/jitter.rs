//! Random pauses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A random time between 80 % and 120 % of `pause`, so that many requests do not come back at the same moment.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // The clock's last digits are random enough for this.
    let dice = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    pause * (800 + dice % 400) / 1000
}
