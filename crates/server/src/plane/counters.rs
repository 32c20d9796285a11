//! What the connections of one server have moved, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that the connections of one server have received and sent, for metrics and tests.
#[derive(Debug, Default)]
pub struct PlaneCounters {
    received: AtomicU64,
    past_hyper: AtomicU64,
    by_sendfile: AtomicU64,
}

impl PlaneCounters {
    /// The bytes of request bodies.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The bytes of request bodies that were read directly from the socket, past hyper.
    pub fn received_past_hyper(&self) -> u64 {
        self.past_hyper.load(Ordering::Relaxed)
    }

    /// The bytes of response bodies that `sendfile(2)` sent.
    pub fn sent_by_sendfile(&self) -> u64 {
        self.by_sendfile.load(Ordering::Relaxed)
    }

    pub(super) fn add_received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_past_hyper(&self, bytes: usize) {
        self.past_hyper.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    #[cfg(target_os = "linux")]
    pub(super) fn add_by_sendfile(&self, bytes: usize) {
        self.by_sendfile.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
