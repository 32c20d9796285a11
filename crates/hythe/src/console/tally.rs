//! A line that counts while a command reads a registry: rewritten in place on a terminal, and nothing elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::human::count_of;

/// Time between two updates of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// Counts repositories and images.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Arc<Counts>,
    ticks: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Counts {
    repositories: AtomicU64,
    images: AtomicU64,
}

impl Tally {
    /// Starts the display, if standard error is a terminal.
    pub(crate) fn start() -> Self {
        let counts = Arc::<Counts>::default();
        let ticking = Arc::clone(&counts);
        let ticks = io::stderr().is_terminal().then(|| {
            let ticks = tokio::spawn(async move {
                loop {
                    tokio::time::sleep(INTERVAL).await;
                    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                    let repositories = count_of(read(&ticking.repositories), "repository");
                    let images = count_of(read(&ticking.images), "image");
                    // An error means that the reader closed the stream: there is nothing to show.
                    let _ = write!(io::stderr(), "\r\x1b[2Kread {images} of {repositories}");
                }
            });
            ticks.abort_handle()
        });
        Self { counts, ticks }
    }

    /// Counts a repository whose tags are known.
    pub(crate) fn repository(&self) {
        self.counts.repositories.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an image as read.
    pub(crate) fn image(&self) {
        self.counts.images.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(ticks) = &self.ticks {
            ticks.abort();
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}
