//! What all bodies that are received share: memory, their number, and the hashing of two at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::buffers::Buffers;
use crate::hashing::Pairs;
use crate::{Error, Result};

/// What all bodies that are received share.
pub(crate) struct Shared {
    pub(crate) buffers: Buffers,
    limit: usize,
    /// One permit for each body that may be received.
    bodies: Arc<Semaphore>,
    cores: usize,
    pub(crate) pairs: Pairs,
}

impl Shared {
    /// For at most `limit` bodies at once, which share `memory` bytes.
    pub(crate) fn new(limit: usize, memory: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            buffers: Buffers::new(memory),
            limit,
            bodies: Arc::new(Semaphore::new(limit)),
            cores,
            pairs: Pairs::default(),
        }
    }

    /// The right to receive a body, until dropped.
    pub(crate) fn body(&self) -> Result<OwnedSemaphorePermit> {
        let limit = self.limit;
        Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| Error::TooManyUploads { limit })
    }

    /// How many bodies are being received.
    pub(crate) fn bodies(&self) -> usize {
        self.limit - self.bodies.available_permits()
    }

    /// Returns when no body is being received any more.
    pub(crate) async fn bodies_ended(&self) {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        // An error is a closed semaphore, which nothing closes.
        let _ = self.bodies.acquire_many(all).await;
    }

    /// Whether the uploads themselves keep every core at work: then another thread for a hash only costs.
    pub(crate) fn is_crowded(&self) -> bool {
        self.bodies() >= self.cores
    }
}
