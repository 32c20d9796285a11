//! Garbage collection: removes unused content while pushes and pulls go on, without a pause.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hythe_registry::{Amount, DeletedTotal, Due, Lease, Registry, Result};
use tokio::sync::Mutex;

/// How many deleted manifests one step purges: their files are removed after each step.
const PURGED: usize = 256;

/// The options of a requested garbage collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Whether to also delete manifests that were pushed here and that no tag, no index and no subject leads to.
    pub untagged: bool,
    /// Whether to remove nothing, and only count what would be removed.
    pub dry_run: bool,
    /// The grace period for this collection, instead of the configured one. Zero removes all unused content, however
    /// recently it was used.
    pub grace: Option<Duration>,
}

/// How much one garbage collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that nothing led to, if their deletion was requested. They can be restored.
    pub manifests: u64,
    /// Deleted manifests that could have been restored until now.
    pub purged: u64,
    /// Expired upload sessions.
    pub uploads: u64,
    /// Links: each is a blob that one repository had and no longer has.
    pub links: u64,
    /// Blobs whose bytes were removed.
    pub blobs: u64,
    /// Total size of those blobs, in bytes.
    pub bytes: u64,
}

/// How much a requested garbage collection removed, and how much it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectedNow {
    /// How much it removed, or would have removed.
    pub collected: Collected,
    /// The lease that kept unused local blobs from being removed, if one did.
    pub held: Option<Lease>,
    /// The blobs that it kept.
    pub held_blobs: Amount,
    /// Unused blobs whose grace period is not over.
    pub waiting: Amount,
    /// Manifests that nothing leads to and whose grace period is not over, if their removal was requested.
    pub waiting_manifests: u64,
    /// When the last of these blobs and manifests is due, if there are any.
    pub due: Option<SystemTime>,
    /// Deleted content that can still be restored.
    pub deleted: DeletedTotal,
}

/// Collects a registry's garbage. Its clones collect one at a time.
#[derive(Clone)]
pub struct Collector {
    registry: Registry,
    /// Locked while a garbage collection runs.
    collecting: Arc<Mutex<()>>,
}

impl Collector {
    /// The collector of a registry. A process has one for each registry.
    pub fn new(registry: Registry) -> Self {
        Self { registry, collecting: Arc::default() }
    }

    /// Collects garbage: expired uploads, unused blobs, and files that earlier collections could not remove.
    pub async fn collect(&self) -> Result<Collected> {
        self.collect_due(self.registry.due(None)).await.map(|(collected, _)| collected)
    }

    /// Collects garbage on request. The configured grace period applies, unless the request gives another.
    pub async fn collect_now(&self, collection: Collection) -> Result<CollectedNow> {
        let Collection { untagged, dry_run, grace } = collection;
        let due = self.registry.due(grace);
        let (mut collected, held) = if dry_run {
            (Collected::default(), self.registry.leases().await?.into_iter().next())
        } else {
            let manifests = if untagged { self.remove_untagged(due).await? } else { 0 };
            let (collected, held) = self.collect_due(due).await?;
            (Collected { manifests, ..collected }, held)
        };
        let unused = self.registry.unused(due, untagged).await?;
        let held_blobs = if held.is_some() { unused.due } else { Amount::default() };
        if dry_run {
            (collected.manifests, collected.purged) = (unused.due_manifests, unused.due_deleted);
            (collected.blobs, collected.bytes) = (unused.due.blobs, unused.due.bytes);
        }
        let (waiting, waiting_manifests) = (unused.waiting, unused.waiting_manifests);
        let (due, deleted) = (unused.last_due, unused.deleted);
        Ok(CollectedNow { collected, held, held_blobs, waiting, waiting_manifests, due, deleted })
    }

    /// Collects what is due. Also returns the lease that kept some of it, if one did.
    async fn collect_due(&self, due: Due) -> Result<(Collected, Option<Lease>)> {
        let _alone = self.collecting.lock().await;
        let mut collected =
            Collected { uploads: self.registry.expire_uploads().await?, ..Collected::default() };
        self.registry.forget_old().await?;
        self.purge(due, &mut collected).await?;
        let (mut cursor, mut held) = (None, None);
        loop {
            let step = self.registry.remove_unused(due, cursor).await?;
            collected.links += step.links;
            collected.blobs += step.blobs;
            collected.bytes += step.bytes;
            held = step.held.or(held);
            match step.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
            // Each step reads on the caller's thread: other requests of this thread run in between.
            tokio::task::yield_now().await;
        }
        if let Some(Lease { purpose, holder, .. }) = &held {
            tracing::info!(%purpose, %holder, "garbage collection kept unreferenced local blobs, because a lease holds them; a later round removes them");
        }
        Ok((collected, held))
    }

    /// Removes for good the deleted manifests whose grace period is over.
    async fn purge(&self, due: Due, collected: &mut Collected) -> Result<()> {
        loop {
            let purged = self.registry.purge_deleted(due, PURGED).await?;
            if purged.manifests == 0 {
                return Ok(());
            }
            collected.purged += purged.manifests;
            collected.links += purged.links;
            collected.blobs += purged.blobs;
            collected.bytes += purged.bytes;
        }
    }

    /// Deletes the manifests that nothing leads to; returns how many.
    async fn remove_untagged(&self, due: Due) -> Result<u64> {
        let mut removed = 0;
        loop {
            match self.registry.remove_untagged(due).await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    }
}
