//! The resources that all received bodies share: their memory, the limit of their number, and the hashing of two bodies
//! at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::buffers::Buffers;
use crate::hashing::Pairs;
use crate::race::Race;
use crate::sessions::Sessions;
use crate::{Error, Result};

/// How long a body that was stopped in favour of another may take to save what it received.
const GIVE_WAY: Duration = Duration::from_secs(5);

/// The resources that all received bodies share.
pub(crate) struct Shared {
    pub(crate) buffers: Buffers,
    limit: usize,
    /// One permit for each body that may be received at once.
    bodies: Arc<Semaphore>,
    cores: usize,
    pub(crate) pairs: Pairs,
    pub(crate) race: Race,
}

impl Shared {
    /// For at most `limit` bodies at once, which share `memory` bytes of buffers.
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

    /// The permit to receive a body, until dropped. If all permits are taken, stops the slowest body, if it is slow,
    /// and takes its permit.
    pub(crate) async fn body(&self, sessions: &Sessions) -> Result<OwnedSemaphorePermit> {
        let too_many = || Error::TooManyUploads { limit: self.limit };
        let bodies = || Arc::clone(&self.bodies);
        if let Ok(permit) = bodies().try_acquire_owned() {
            return Ok(permit);
        }
        if !self.race.stop_slowest(|id| sessions.stop(id)) {
            return Err(too_many());
        }
        let given = timeout(GIVE_WAY, bodies().acquire_owned()).await;
        given.map_err(|_| too_many())?.map_err(|_| too_many())
    }

    /// How many bodies are being received.
    pub(crate) fn bodies(&self) -> usize {
        self.limit - self.bodies.available_permits()
    }

    /// Returns when no body is received any more.
    pub(crate) async fn bodies_ended(&self) {
        let all = u32::try_from(self.limit).unwrap_or(u32::MAX);
        // The only error is a closed semaphore, and nothing closes this one.
        let _ = self.bodies.acquire_many(all).await;
    }

    /// Whether the uploads themselves use every core: then another thread for a hash only adds cost.
    pub(crate) fn is_crowded(&self) -> bool {
        self.bodies() >= self.cores
    }
}
