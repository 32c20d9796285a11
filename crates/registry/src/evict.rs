//! The steps of eviction: what is stored, which cached images were used least recently, and the removal of one of them.
//!
//! The crate `lifecycle` decides when to take which step.

use std::collections::HashSet;
use std::time::Duration;

use hythe_catalog::{CachedImage, Catalog, Cleared, Pull};
use hythe_oci::Digest;

use crate::clock::millis;
use crate::{Error, Inner, Registry, Result, Space, upkeep};

/// How many images one step reads.
const PAGE: usize = 64;

/// How many unreferenced blobs one step removes.
const STEP: usize = 256;

/// How many pulls one write records.
const PULLS: usize = 256;

/// How long an unreferenced blob of a copy stays after its last use: its manifest may be about to be stored.
const YOUNG: Duration = Duration::from_mins(1);

impl Registry {
    /// The room of the registry, by its running estimate.
    pub fn space(&self) -> Space {
        self.0.space()
    }

    /// The room of the registry, counted. Reads every blob's row, so it is for a page that is read now and then.
    pub async fn count_space(&self) -> Result<Space> {
        let usage = &self.0.usage;
        let mut count = usage.begin_count();
        let rows = self.0.catalog.stored_bytes(std::mem::take(&mut count.open)).await?;
        let stored = usage.end_count(&count, rows);
        Ok(Space { stored, ..self.0.space() })
    }

    /// Returns when the registry needs a round of eviction, or after `patience`. A process that calls this runs rounds, so
    /// requests wait for them.
    pub async fn eviction_wanted(&self, patience: Duration) {
        self.0.usage.wanted(patience).await;
    }

    /// Begins a round of eviction; returns its number.
    pub fn begin_eviction(&self) -> u64 {
        self.0.usage.begin_round()
    }

    /// Ends a round of eviction, which left this room. If that is too little, pushes are refused from now on.
    pub fn end_eviction(&self, number: u64, space: &Space) {
        self.0.usage.end_round(number, space.full(), space.mark());
    }

    /// Whether pushes are refused now for want of room.
    pub fn refuses_pushes(&self) -> bool {
        self.0.usage.full().is_some()
    }

    /// Some cached images, the least recently used first, behind `after`.
    pub async fn least_used(&self, after: Option<&CachedImage>) -> Result<Vec<CachedImage>> {
        write_pulls(&self.0.catalog, self.0.pulls.take_recent()).await;
        Ok(self.0.catalog.least_used(after, PAGE).await?)
    }

    /// The size of the blobs of a cached image that are here, in bytes; other images may share them.
    pub async fn cached_size(&self, image: &CachedImage) -> Result<u64> {
        Ok(self.0.catalog.cached_size(image).await?)
    }

    /// Removes a cached image, with the blobs that nothing else uses. `None` if the image stays: because a client pulls it
    /// now, because it was used since it was [listed](Self::least_used), or because `keep` has it, or a manifest or blob of it.
    pub async fn evict(&self, image: &CachedImage, keep: &HashSet<Digest>) -> Result<Option<Cleared>> {
        let inner = &*self.0;
        let mut digests = inner.catalog.digests_of(image).await?;
        digests.push(image.digest);
        if digests.iter().any(|digest| keep.contains(digest))
            || inner.usage.is_fetched(&digests)
            || inner.readers.read_any(&digests)
        {
            return Ok(None);
        }
        let cleared = inner.catalog.evict(image.clone()).await?;
        upkeep::remove_doomed(inner).await?;
        Ok(Some(cleared).filter(|cleared| *cleared != Cleared::default()))
    }

    /// Removes some blobs of copies that no manifest there references; returns their size in bytes, 0 if none is left.
    pub async fn evict_unreferenced(&self) -> Result<u64> {
        let before = self.0.now().saturating_sub(millis(YOUNG));
        let removed = self.0.catalog.evict_unreferenced(before, STEP).await?;
        upkeep::remove_doomed(&self.0).await?;
        Ok(removed.bytes)
    }
}

/// Records the pulls of copies, which eviction orders by. If that fails, the order is that of earlier pulls.
pub(crate) async fn write_pulls(catalog: &Catalog, pulls: Vec<Pull>) {
    for some in pulls.chunks(PULLS) {
        if let Err(error) = catalog.record_pulls(some.to_vec()).await {
            tracing::warn!(%error, "could not record the times of pulls");
            return;
        }
    }
}

impl Inner {
    fn space(&self) -> Space {
        let room = self.storage.volume().and_then(|volume| {
            let room = volume.room();
            room.inspect_err(|error| tracing::warn!(%error, "could not measure the volume of the data")).ok()
        });
        let options = self.options.load();
        Space::new(self.usage.bytes(), self.usage.coming(), room, options.disk_budget, options.disk_floor)
    }

    /// Refuses a push for which there is no room, once a round of eviction has found nothing to remove.
    pub(crate) async fn check_space(&self) -> Result<()> {
        if self.space().full().is_none() {
            return Ok(());
        }
        if self.usage.full().is_none() {
            self.usage.round().await;
        }
        match (self.usage.full(), self.space().full()) {
            (Some(_), Some(full)) => Err(Error::OverBudget(full)),
            _ => Ok(()),
        }
    }

    /// Waits until eviction has made room for a fetch that would otherwise use the volume's last free space. Fetches are
    /// never refused: if nothing can be removed, the fetch goes on.
    pub(crate) async fn make_room(&self) {
        let Space { free, coming, .. } = self.space();
        if free.is_some_and(|free| free < coming) && self.usage.full().is_none() {
            self.usage.round().await;
        }
    }
}
