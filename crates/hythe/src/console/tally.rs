//! A line that counts while a command reads a registry.

use std::sync::atomic::{AtomicU64, Ordering};

use super::human::count_of;
use super::line::Line;

/// Counts repositories and images.
#[derive(Debug)]
pub(crate) struct Tally {
    line: Line,
    repositories: AtomicU64,
    images: AtomicU64,
}

impl Tally {
    /// Starts the display.
    pub(crate) fn start() -> Self {
        Self { line: Line::start(), repositories: AtomicU64::new(0), images: AtomicU64::new(0) }
    }

    /// Counts a repository whose tags are known.
    pub(crate) fn repository(&self) {
        self.repositories.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    /// Counts an image as read.
    pub(crate) fn image(&self) {
        self.images.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        self.line.tell(|| {
            let repositories = count_of(self.repositories.load(Ordering::Relaxed), "repository");
            let images = count_of(self.images.load(Ordering::Relaxed), "image");
            format!("read {images} of {repositories}")
        });
    }
}
