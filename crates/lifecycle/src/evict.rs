//! Eviction: keeps the registry within its disk budget by removing cached images, the least recently used first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use hythe_oci::Digest;
use hythe_registry::{DeletedTotal, Registry, Result, Space};
use parking_lot::Mutex;

/// The longest time between two rounds: other programs use the volume too, and the volume may have grown.
const EVERY: Duration = Duration::from_secs(10);

/// How many deleted manifests one step purges.
const PURGED: usize = 16;

/// How much one round of eviction removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Cached images.
    pub images: u64,
    /// Blobs that only these images or deleted manifests used, and the manifests of these images: their size, in bytes.
    pub bytes: u64,
    /// Whether pushes are refused from now on, because too little could be removed.
    pub is_full: bool,
}

/// Keeps a registry within its disk budget. A process has one for each registry.
#[derive(Clone)]
pub struct Evictor {
    registry: Registry,
    /// The deleted content of which a purge freed nothing. As long as it is the same, another purge would free nothing either.
    fruitless: Arc<Mutex<Option<DeletedTotal>>>,
}

impl Evictor {
    /// The evictor of a registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, fruitless: Arc::default() }
    }

    /// Runs a round whenever the registry grows above its budget, and every few seconds. Tells `done` what each round that
    /// succeeded removed. Ends when it is dropped.
    pub async fn run(&self, mut done: impl FnMut(&Evicted)) {
        // The first round counts what is stored.
        let mut patience = Duration::ZERO;
        loop {
            self.registry.eviction_wanted(patience).await;
            patience = EVERY;
            match self.round().await {
                Ok(evicted) => done(&evicted),
                Err(error) => {
                    tracing::warn!(%error, "could not remove cached content to keep to the disk budget; trying again soon");
                    tokio::time::sleep(EVERY).await;
                }
            }
        }
    }

    /// Removes cached content until the registry keeps to its budget and the volume to its floor, or until nothing is left
    /// that may be removed. Pulls and pushes go on meanwhile.
    pub async fn round(&self) -> Result<Evicted> {
        let number = self.registry.begin_eviction();
        // The estimate is never too low, so most rounds end here without reading a row.
        let mut space = self.registry.space();
        let mut evicted = Evicted::default();
        if space.excess() > 0 {
            space = self.registry.count_space().await?;
            if space.excess() > 0 {
                evicted = self.remove(&space).await?;
                space = self.registry.count_space().await?;
            }
        }
        self.registry.end_eviction(number, &space);
        evicted.is_full = self.registry.refuses_pushes();
        Ok(evicted)
    }

    /// Purges what can still be restored, the oldest deletion first, until `goal` bytes are free; returns how many are. Stops
    /// at a purge that frees nothing: others share these blobs, or a push may rely on them.
    async fn purge(&self, goal: u64) -> Result<u64> {
        // A lease holds every blob of this registry's own images.
        if !self.registry.leases().await?.is_empty() {
            return Ok(0);
        }
        let mut freed = 0;
        while freed < goal {
            let total = self.registry.deleted_total().await?;
            if total.bytes == 0 || self.fruitless.lock().as_ref() == Some(&total) {
                break;
            }
            let purged = self.registry.purge_for_room(PURGED).await?;
            freed += purged.bytes;
            if purged.bytes == 0 {
                *self.fruitless.lock() = Some(self.registry.deleted_total().await?);
                break;
            }
        }
        Ok(freed)
    }

    async fn remove(&self, space: &Space) -> Result<Evicted> {
        let running = self.registry.running().await?;
        let keep: HashSet<Digest> = running.into_iter().flat_map(|running| running.digests).collect();
        let goal = space.goal();
        let mut evicted = Evicted { bytes: self.purge(goal).await?, ..Evicted::default() };
        while evicted.bytes < goal {
            match self.registry.evict_unreferenced().await? {
                0 => break,
                bytes => evicted.bytes += bytes,
            }
        }
        let mut last = None;
        while evicted.bytes < goal {
            let images = self.registry.least_used(last.as_ref()).await?;
            if images.is_empty() {
                break;
            }
            for image in &images {
                if evicted.bytes >= goal {
                    break;
                }
                if let Some(cleared) = self.registry.evict(image, &keep).await? {
                    tracing::debug!(repository = %image.repository, digest = %image.digest, bytes = cleared.bytes,
                        "evicted a cached image");
                    evicted.images += 1;
                    evicted.bytes += cleared.bytes;
                }
            }
            last = images.into_iter().next_back();
        }
        Ok(evicted)
    }
}
