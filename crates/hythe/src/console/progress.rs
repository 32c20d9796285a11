//! The progress of moving images: a line that is rewritten in place on a terminal, and a new line from time to time
//! elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::human::size;

/// Time between two updates of the line on a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(200);
/// Time between two lines elsewhere, for example in a log.
const IN_LOG: Duration = Duration::from_secs(10);

/// The progress display.
#[derive(Debug)]
pub(crate) struct Progress {
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
    /// Held while writing to stderr.
    turn: Mutex<()>,
}

impl Progress {
    /// Starts the display.
    pub(crate) fn start(images: usize) -> Self {
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

    /// Adds blobs to the expected number.
    pub(crate) fn expect(&self, blobs: usize) {
        self.shared.blobs.fetch_add(blobs as u64, Ordering::Relaxed);
    }

    /// Counts a blob as done.
    pub(crate) fn blob_ended(&self) {
        self.shared.blobs_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts received bytes.
    pub(crate) fn came(&self, bytes: usize) {
        self.shared.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts an image as done, whether it succeeded or failed.
    pub(crate) fn ended(&self) {
        self.shared.images_ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes other output: erases the progress line first.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        let turn = self.shared.turn.lock();
        self.shared.erase();
        write();
        drop(turn);
    }

    /// Stops the display, and erases its line.
    pub(crate) fn stop(&self) {
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
        let _turn = self.turn.lock();
        // An error means that the reader closed the stream: there is nothing to show, and nothing to report.
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
