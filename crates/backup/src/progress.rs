//! How far a backup or a restore is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far a backup or a restore is: what was copied, of what is to be copied. Read while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    blobs: AtomicU64,
    of_blobs: AtomicU64,
    bytes: AtomicU64,
    of_bytes: AtomicU64,
}

impl Progress {
    /// Blobs that were copied, and all that are to be copied.
    pub fn blobs(&self) -> (u64, u64) {
        (self.blobs.load(Ordering::Relaxed), self.of_blobs.load(Ordering::Relaxed))
    }

    /// Bytes that were copied, and all that are to be copied.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.of_bytes.load(Ordering::Relaxed))
    }

    pub(crate) fn begin(&self, blobs: u64, bytes: u64) {
        self.blobs.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.of_blobs.store(blobs, Ordering::Relaxed);
        self.of_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_blob(&self) {
        self.blobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
