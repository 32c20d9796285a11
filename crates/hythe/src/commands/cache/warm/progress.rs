//! How far a warming is: one line that is written over on a terminal, and now and then a line elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::size;

/// How often the line is written over, and how often a log is told that it goes on.
const ON_TERMINAL: Duration = Duration::from_millis(200);
const IN_LOG: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug)]
pub(super) struct Progress {
    shared: Arc<Shared>,
    ticks: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    terminal: bool,
    began: Instant,
    images: u64,
    images_ended: AtomicU64,
    blobs: AtomicU64,
    blobs_ended: AtomicU64,
    bytes: AtomicU64,
    /// Held by who writes.
    turn: Mutex<()>,
}

impl Progress {
    /// Begins to show it.
    pub(super) fn start(images: usize) -> Self {
        let shared = Arc::new(Shared {
            terminal: io::stderr().is_terminal(),
            began: Instant::now(),
            images: images as u64,
            images_ended: AtomicU64::default(),
            blobs: AtomicU64::default(),
            blobs_ended: AtomicU64::default(),
            bytes: AtomicU64::default(),
            turn: Mutex::default(),
        });
        let ticking = Arc::clone(&shared);
        let ticks = tokio::spawn(async move {
            loop {
                tokio::time::sleep(if ticking.terminal { ON_TERMINAL } else { IN_LOG }).await;
                ticking.show();
            }
        });
        Self { shared, ticks: ticks.abort_handle() }
    }

    /// So many blobs more are known of.
    pub(super) fn expect(&self, blobs: usize) {
        self.shared.blobs.fetch_add(blobs as u64, Ordering::Relaxed);
    }

    /// One of them is there.
    pub(super) fn blob_ended(&self) {
        self.shared.blobs_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes have come.
    pub(super) fn came(&self, bytes: usize) {
        self.shared.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// An image is there, or failed.
    pub(super) fn ended(&self) {
        self.shared.images_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes something else, which the line makes room for.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        let turn = self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.erase();
        write();
        drop(turn);
    }

    /// Shows no more.
    pub(super) fn stop(&self) {
        self.ticks.abort();
        self.aside(|| {});
    }
}

impl Shared {
    fn show(&self) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = read(&self.bytes);
        let rate = u128::from(bytes) * 1000 / self.began.elapsed().as_millis().max(1);
        let text = format!(
            "{} of {} images, {} of {} blobs, {}, {}/s",
            read(&self.images_ended),
            self.images,
            read(&self.blobs_ended),
            read(&self.blobs),
            size(bytes),
            size(rate.try_into().unwrap_or(u64::MAX)),
        );
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever closed the stream wants to see nothing.
        let _ = if self.terminal {
            write!(io::stderr(), "\r\x1b[2K{text}")
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    fn erase(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
