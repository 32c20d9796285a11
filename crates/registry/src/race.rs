//! Decides which received body gives its place to another when all places are taken.
//!
//! The registry cannot tell clients apart: one address may stand for one client or for a thousand, and on a single
//! machine all clients are 127.0.0.1. So places go to the bodies that use them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hythe_oci::UploadId;
use parking_lot::Mutex;

/// How long a body must have been coming before its speed counts.
const SHOWN: Duration = Duration::from_secs(10);

/// The speed, in bytes per second, below which a body may have to give way.
const SLOW: u64 = 16 << 10;

/// The bodies that the registry receives now.
#[derive(Debug, Default)]
pub(crate) struct Race {
    runners: Mutex<Runners>,
}

#[derive(Debug, Default)]
struct Runners {
    all: HashMap<u64, Arc<Runner>>,
    next: u64,
}

/// One received body.
#[derive(Debug)]
pub(crate) struct Runner {
    id: UploadId,
    since: Instant,
    received: AtomicU64,
    gives_way: AtomicBool,
}

/// A body's entry in the race, until dropped.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    race: &'a Race,
    number: u64,
    runner: Arc<Runner>,
}

impl Race {
    /// Enters the body of this session into the race.
    pub(crate) fn enter(&self, id: UploadId) -> Running<'_> {
        self.enter_since(id, Instant::now())
    }

    fn enter_since(&self, id: UploadId, since: Instant) -> Running<'_> {
        let (received, gives_way) = (AtomicU64::new(0), AtomicBool::new(false));
        let runner = Arc::new(Runner { id, since, received, gives_way });
        let mut runners = self.runners.lock();
        let number = runners.next;
        runners.next += 1;
        runners.all.insert(number, Arc::clone(&runner));
        drop(runners);
        Running { race: self, number, runner }
    }

    /// Tells the slowest body to give way, if that body is slow, and calls `stop` with its session. Returns whether it
    /// chose one. The body cannot leave the race before `stop` returns: otherwise `stop` could reach a later body of the
    /// same session.
    pub(crate) fn stop_slowest(&self, stop: impl FnOnce(UploadId)) -> bool {
        let runners = self.runners.lock();
        let rates = runners.all.values().filter_map(|runner| runner.rate().map(|rate| (rate, runner)));
        let Some((rate, slowest)) = rates.min_by_key(|(rate, _)| *rate) else { return false };
        // Each body is chosen once, however many others wait for its place.
        let is_told = rate < SLOW && !slowest.gives_way.swap(true, Ordering::Relaxed);
        if is_told {
            stop(slowest.id);
        }
        is_told
    }
}

impl Runner {
    /// The body's speed in bytes per second; `None` if it is not known yet, or if the body was already told to give
    /// way.
    fn rate(&self) -> Option<u64> {
        let elapsed = self.since.elapsed();
        let counts = elapsed > SHOWN && !self.gives_way.load(Ordering::Relaxed);
        counts.then(|| self.received.load(Ordering::Relaxed) / elapsed.as_secs().max(1))
    }
}

impl Running<'_> {
    /// Records how many bytes have come.
    pub(crate) fn received(&self, bytes: u64) {
        self.runner.received.store(bytes, Ordering::Relaxed);
    }

    /// The error for the client, if its body had to give way.
    pub(crate) fn gave_way(&self) -> Option<io::Error> {
        let seconds = self.runner.since.elapsed().as_secs();
        let received = self.runner.received.load(Ordering::Relaxed);
        let message = format!(
            "the registry receives as many uploads as it allows, and this one was the slowest ({received} bytes in \
             {seconds} s), so it was stopped in favour of another; continue this upload in a moment"
        );
        let gave_way = self.runner.gives_way.load(Ordering::Relaxed);
        gave_way.then(|| io::Error::new(io::ErrorKind::TimedOut, message))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.race.runners.lock().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn the_slowest_gives_way_once_and_neither_a_fast_nor_a_new_one_does() {
        let (race, ids) = (Race::default(), [(); 4].map(|()| UploadId::random()));
        let new = race.enter(ids[0]);
        let fast = race.enter_since(ids[1], ago(100));
        fast.received(100 * SLOW);
        let slow = race.enter_since(ids[2], ago(100));
        slow.received(1000);
        let slowest = race.enter_since(ids[3], ago(100));
        slowest.received(100);
        let chosen = || {
            let mut chosen = None;
            race.stop_slowest(|id| chosen = Some(id));
            chosen
        };
        assert_eq!(chosen(), Some(ids[3]));
        assert!(slowest.gave_way().is_some() && slow.gave_way().is_none());
        assert_eq!((chosen(), chosen()), (Some(ids[2]), None));
        assert!(new.gave_way().is_none() && fast.gave_way().is_none());
        drop((new, fast, slow, slowest));
        assert!(race.runners.lock().all.is_empty());
    }

    #[test]
    fn a_chosen_body_cannot_end_before_it_is_stopped() {
        let race = Race::default();
        let _slow = race.enter_since(UploadId::random(), ago(100));
        assert!(race.stop_slowest(|_| assert!(race.runners.is_locked(), "a body could leave the race")));
    }
}
