//! Waits for something that happens in another thread.

use std::thread;
use std::time::{Duration, Instant};

/// Returns once `holds` is true. Fails after 20 s, and names `what` the test waited for.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "timed out after 20 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
