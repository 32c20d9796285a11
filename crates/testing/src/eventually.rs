//! Waiting for what comes about beside a test.

use std::thread;
use std::time::{Duration, Instant};

/// Returns once it `holds`; `what` says what did not come to be, where it takes longer than 20 s.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} did not come to be");
        thread::sleep(Duration::from_millis(10));
    }
}
