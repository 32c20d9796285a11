//! What all bodies that are received share: memory, their number, and the hashing of two at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::buffers::Buffers;
use crate::hashing::Pairs;
use crate::race::Race;
use crate::sessions::Sessions;
use crate::{Error, Result};

/// How long a body that gives its place to another may take to save what it has.
const GIVE_WAY: Duration = Duration::from_secs(5);

/// What all bodies that are received share.
pub(crate) struct Shared {
    pub(crate) buffers: Buffers,
    limit: usize,
    /// One permit for each body that may be received.
    bodies: Arc<Semaphore>,
    cores: usize,
    pub(crate) pairs: Pairs,
    pub(crate) race: Race,
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
            race: Race::default(),
        }
    }

    /// The right to receive a body, until dropped. Where all places are taken, that of the slowest, if it is slow.
    pub(crate) async fn body(&self, sessions: &Sessions) -> Result<OwnedSemaphorePermit> {
        let too_many = || Error::TooManyUploads { limit: self.limit };
        let bodies = || Arc::clone(&self.bodies);
        if let Ok(permit) = bodies().try_acquire_owned() {
            return Ok(permit);
        }
        sessions.stop(self.race.slowest().ok_or_else(too_many)?);
        let given = timeout(GIVE_WAY, bodies().acquire_owned()).await;
        given.map_err(|_| too_many())?.map_err(|_| too_many())
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
