//! Warnings that would fill the log if each event wrote one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The shortest time between two warnings of one kind.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// When a warning of one kind was last written.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether a warning may be written now. If so, it counts as written.
    pub(crate) fn is_due(&self) -> bool {
        let mut told = self.0.lock();
        let is_due = told.is_none_or(|told| told.elapsed() > TELL_AGAIN);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}
