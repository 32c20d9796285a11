//! Garbage collection: removes unused content while pushes and pulls go on, without a pause.
//!
//! Each step is a small transaction of the catalog, which checks again what it removes. A file is removed only after
//! its row, and by its generation, so that a concurrent push of the same digest never loses its file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_catalog::{Amount, BlobFile, Promise, Untagged};
use hythe_oci::{Digest, UploadId};
use hythe_storage::BlobKey;

use crate::{Inner, Registry, Result, millis, now};

/// How many rows one step examines: a few milliseconds of the catalog writer's time.
const STEP: usize = 256;

/// The options of a garbage collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Whether to also remove manifests that were pushed here and that no tag, no index and no subject leads to.
    pub untagged: bool,
    /// Whether to remove nothing, and only count what would be removed.
    pub dry_run: bool,
    /// The grace period for this collection, instead of the configured one. Zero removes all unused content, however
    /// recently it was used.
    pub grace: Option<Duration>,
}

/// Which unused content a collection removes.
#[derive(Clone, Copy)]
struct Due {
    /// Content that was last used before this time.
    before: i64,
    /// What clients may rely on, if some of it is due.
    promise: Option<Promise>,
}

/// How long the collector spares a manifest that is being stored in turns: far longer than that takes.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// How much one garbage collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that nothing led to, if their removal was requested.
    pub manifests: u64,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectedNow {
    /// How much it removed, or would have removed.
    pub collected: Collected,
    /// Unused blobs whose grace period is not over.
    pub waiting: Amount,
    /// Manifests that nothing leads to and whose grace period is not over, if their removal was requested.
    pub waiting_manifests: u64,
    /// When the last of these blobs and manifests is due, if there are any.
    pub due: Option<SystemTime>,
}

impl Registry {
    /// Collects garbage: expired uploads, unused blobs, and files that earlier collections could not remove.
    pub async fn collect(&self) -> Result<Collected> {
        self.collect_due(self.due(None)).await
    }

    async fn collect_due(&self, due: Due) -> Result<Collected> {
        let inner = &*self.0;
        let _alone = inner.collecting.lock().await;
        let mut collected = Collected { uploads: inner.expire_uploads().await?, ..Collected::default() };
        inner.catalog.clear_hidden(before(ON_ITS_WAY)).await?;
        inner.catalog.forget_freed(before(self.options().collect_grace)).await?;
        let mut cursor = None;
        loop {
            let step = inner.catalog.collect_early(due.before, due.promise, cursor, STEP).await?;
            collected.links += step.links;
            collected.blobs += step.blobs;
            collected.bytes += step.bytes;
            remove_doomed(inner).await?;
            match step.next {
                Some(next) => cursor = Some(next),
                None => return Ok(collected),
            }
            // Each step reads on the caller's thread: other requests of this thread run in between.
            tokio::task::yield_now().await;
        }
    }

    /// Collects garbage on request. The configured grace period applies, unless the request gives another.
    pub async fn collect_now(&self, collection: Collection) -> Result<CollectedNow> {
        let due = self.due(collection.grace);
        let mut collected = Collected::default();
        if collection.untagged && !collection.dry_run {
            collected.manifests = self.remove_untagged(due).await?;
        }
        if !collection.dry_run {
            collected = Collected { manifests: collected.manifests, ..self.collect_due(due).await? };
        }
        let catalog = &self.0.catalog;
        let untagged =
            if collection.untagged { catalog.untagged(due.before).await? } else { Untagged::default() };
        let unused = catalog.unused(due.before).await?;
        if collection.dry_run {
            collected.manifests = untagged.due;
            (collected.blobs, collected.bytes) = (unused.due.blobs, unused.due.bytes);
        }
        let last = unused.last_use.max(untagged.last_use);
        let grace = self.options().collect_grace;
        let due = last.map(|last| Duration::from_millis(last.max(0).cast_unsigned()).saturating_add(grace));
        Ok(CollectedNow {
            collected,
            waiting: unused.waiting,
            waiting_manifests: untagged.waiting,
            due: due.and_then(|due| UNIX_EPOCH.checked_add(due)),
        })
    }

    /// Removes the manifests that nothing leads to; returns how many.
    async fn remove_untagged(&self, due: Due) -> Result<u64> {
        self.0.check_delete()?;
        let mut removed = 0;
        loop {
            match self.0.catalog.delete_untagged(due.before, due.promise).await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    }

    fn due(&self, grace: Option<Duration>) -> Due {
        let usual = self.options().collect_grace;
        let since = before(usual);
        match grace {
            // All content is due, whatever the clock says: it may have been set back since the last use.
            Some(Duration::ZERO) => Due { before: i64::MAX, promise: Some(Promise { since, now: now() }) },
            Some(grace) if grace < usual => {
                Due { before: before(grace), promise: Some(Promise { since, now: now() }) }
            }
            _ => Due { before: before(grace.unwrap_or(usual)), promise: None },
        }
    }

    /// Removes what a crash left: files of uploads without a row, files of removed blobs, and manifests that were
    /// stored or removed in turns. Called at the start, before anything is served.
    pub async fn recover(&self) -> Result<()> {
        let inner = &*self.0;
        // No push runs yet, so every hidden manifest is left over.
        inner.catalog.clear_hidden(i64::MAX).await?;
        for id in inner.storage.uploads().await? {
            if !inner.catalog.upload_exists(&id).await? {
                inner.storage.remove_upload(id).await?;
            }
        }
        remove_doomed(inner).await
    }
}

/// The time `duration` ago.
fn before(duration: Duration) -> i64 {
    now().saturating_sub(millis(duration))
}

/// Removes all doomed files: those whose rows are already deleted.
pub(crate) async fn remove_doomed(inner: &Inner) -> Result<()> {
    let mut last = None;
    loop {
        let files = inner.catalog.doomed(last.as_ref(), STEP).await?;
        let is_last = files.len() < STEP;
        // A file that cannot be removed stays doomed, and does not stop the removal of others.
        last = files.last().cloned();
        remove_files(inner, files).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Removes doomed files; returns how many. A file that cannot be removed stays doomed, and does not stop the others.
pub(crate) async fn remove_files(inner: &Inner, files: Vec<BlobFile>) -> Result<usize> {
    let mut removed = Vec::with_capacity(files.len());
    for file in files {
        let key = BlobKey { digest: file.digest, generation: file.generation };
        match inner.storage.remove_blob(&key).await {
            Ok(()) => removed.push(file),
            Err(error) => {
                tracing::warn!(%error, "could not remove the file of an unused blob; the next garbage collection tries again");
            }
        }
    }
    let count = removed.len();
    if count > 0 {
        inner.catalog.forget_doomed(removed).await?;
    }
    Ok(count)
}

impl Inner {
    async fn expire_uploads(&self) -> Result<u64> {
        let before = before(self.options.load().upload_expire);
        let mut expired = 0;
        loop {
            let stale = self.catalog.stale_uploads(before, STEP).await?;
            let last = stale.len() < STEP;
            let mut removed = 0;
            for upload in stale {
                match self.expire(upload.id, upload.digest, before).await {
                    Ok(gone) => removed += u64::from(gone),
                    // A session that cannot be removed must not stop the others, nor the rest of the collection.
                    Err(error) => {
                        tracing::warn!(upload = %upload.id, %error, "could not remove an expired upload; the next garbage collection tries again");
                    }
                }
            }
            expired += removed;
            // Sessions that are being written to stay. Without the check of `removed`, a page full of them would make
            // this loop run for ever.
            if last || removed == 0 {
                return Ok(expired);
            }
        }
    }

    async fn expire(&self, id: UploadId, intent: Option<Digest>, before: i64) -> Result<bool> {
        let Some(_turn) = self.sessions.try_take(id) else { return Ok(false) };
        if !self.catalog.expire_upload(&id, before).await? {
            return Ok(false);
        }
        self.forget_upload(id, intent).await?;
        Ok(true)
    }
}
