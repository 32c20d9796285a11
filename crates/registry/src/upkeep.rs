//! The steps of looking after the content: removing unused content, and what a crash left.
//!
//! The crate `lifecycle` decides when to take which step. Each step is a small transaction of the catalog, which checks
//! again what it removes, so pushes and pulls go on meanwhile. A file is removed only after its row, and by its
//! generation, so that a concurrent push of the same digest never loses its file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_catalog::{Amount, BlobFile, Collected as Step, DeletedTotal, LinkCursor, Promise};
use hythe_oci::UploadId;
use hythe_storage::BlobKey;

use crate::clock::{millis, stamp};
use crate::{Inner, Registry, Result};

/// How many rows one step examines: a few milliseconds of the catalog writer's time.
const STEP: usize = 256;

/// How long a step spares a manifest that is being stored in turns: far longer than that takes.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// Which unused content is due for removal.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Content that was last used or deleted before this time.
    pub(crate) before: i64,
    /// What clients may rely on, if some of it is due.
    pub(crate) promise: Option<Promise>,
}

/// How much unused content a registry has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Blobs that are due for removal.
    pub due: Amount,
    /// Blobs whose grace period is not over.
    pub waiting: Amount,
    /// Manifests that nothing leads to and that are due for removal.
    pub due_manifests: u64,
    /// Manifests that nothing leads to and whose grace period is not over.
    pub waiting_manifests: u64,
    /// When the last of the waiting blobs and manifests is due, if there are any.
    pub last_due: Option<SystemTime>,
    /// Deleted manifests that are due for removal.
    pub due_deleted: u64,
    /// Deleted content that can still be restored.
    pub deleted: DeletedTotal,
}

impl Registry {
    /// The content that is due now: unused for the configured grace period, or for `grace` instead. With a grace period
    /// of zero, all unused content is due, however recently it was used.
    pub fn due(&self, grace: Option<Duration>) -> Due {
        let (now, usual) = (self.0.now(), self.options().collect_grace);
        let before = |grace| now.saturating_sub(millis(grace));
        let promise = Promise { since: before(usual), now };
        match grace {
            // Whatever the clock says: it may have been set back since the last use.
            Some(Duration::ZERO) => Due { before: i64::MAX, promise: Some(promise) },
            // Without a grace period, what was deleted in this very moment is due too.
            None if usual.is_zero() => Due { before: i64::MAX, promise: None },
            Some(grace) if grace < usual => Due { before: before(grace), promise: Some(promise) },
            _ => Due { before: before(grace.unwrap_or(usual)), promise: None },
        }
    }

    /// Removes links to unused blobs from the one after `cursor` on, and the blobs that have no other link. The result
    /// says where the next step begins.
    pub async fn remove_unused(&self, due: Due, cursor: Option<LinkCursor>) -> Result<Step> {
        let step = self.0.catalog.collect_early(due.before, due.promise, self.0.now(), cursor, STEP).await?;
        remove_doomed(&self.0).await?;
        Ok(step)
    }

    /// Deletes some of the manifests that were pushed here and that no tag, no index and no subject leads to; returns
    /// how many, 0 if none is left. They can be restored.
    pub async fn remove_untagged(&self, due: Due) -> Result<u64> {
        self.0.check_delete()?;
        Ok(self.0.catalog.delete_untagged(due.before, due.promise, self.0.now()).await?)
    }

    /// Counts the unused content; with `untagged`, also the manifests that nothing leads to.
    pub async fn unused(&self, due: Due, untagged: bool) -> Result<Unused> {
        let catalog = &self.0.catalog;
        let manifests = if untagged { Some(catalog.untagged(due.before).await?) } else { None };
        let (manifests, blobs) = (manifests.unwrap_or_default(), catalog.unused(due.before).await?);
        let grace = self.options().collect_grace;
        let last = blobs.last_use.max(manifests.last_use);
        let last = last.map(|last| Duration::from_millis(last.max(0).cast_unsigned()).saturating_add(grace));
        let (deleted, all) = (catalog.deleted_total(due.before).await?, catalog.deleted_count().await?);
        Ok(Unused {
            due: blobs.due,
            waiting: blobs.waiting,
            due_manifests: manifests.due,
            waiting_manifests: manifests.waiting,
            last_due: last.and_then(|last| UNIX_EPOCH.checked_add(last)),
            due_deleted: all.saturating_sub(deleted.manifests),
            deleted,
        })
    }

    /// Forgets what is not needed any more: manifests whose storing in turns was given up, and, if it is longer ago than the
    /// grace period, digests that were freed and what tags named.
    pub async fn forget_old(&self) -> Result<()> {
        let now = self.0.now();
        self.0.catalog.clear_hidden(now.saturating_sub(millis(ON_ITS_WAY))).await?;
        let before = now.saturating_sub(millis(self.options().collect_grace));
        self.0.catalog.forget_freed(before).await?;
        Ok(self.0.catalog.forget_past_tags(before).await?)
    }

    /// Removes the upload sessions that no client continued in time; returns how many.
    pub async fn expire_uploads(&self) -> Result<u64> {
        let inner = &*self.0;
        let before = inner.now().saturating_sub(millis(self.options().upload_expire));
        let mut expired = 0;
        loop {
            let stale = inner.catalog.stale_uploads(before, STEP).await?;
            let last = stale.len() < STEP;
            let mut removed = 0;
            for id in stale {
                match inner.expire(id, before).await {
                    Ok(gone) => removed += u64::from(gone),
                    // A session that cannot be removed must not stop the others, nor the rest of the collection.
                    Err(error) => {
                        tracing::warn!(upload = %id, %error, "could not remove an expired upload; the next garbage collection tries again");
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

    /// Removes what a crash left: files of uploads without a row, files of removed blobs, and manifests that were
    /// stored or removed in turns. Called at the start, before anything is served.
    pub async fn recover(&self) -> Result<()> {
        let inner = &*self.0;
        // No push runs yet, so every hidden manifest is left over.
        inner.catalog.clear_hidden(i64::MAX).await?;
        inner.catalog.undo_withdrawals(inner.now()).await?;
        if let Some(listing) = inner.storage.listing() {
            for id in listing.uploads().await? {
                if !inner.catalog.upload_exists(&id).await? {
                    inner.storage.remove_upload(id).await?;
                }
            }
        }
        remove_doomed(inner).await
    }

    /// The time of the registry's clock.
    pub fn now(&self) -> SystemTime {
        self.0.clock.now()
    }
}

/// Removes all doomed files: those whose rows are already deleted.
pub(crate) async fn remove_doomed(inner: &Inner) -> Result<()> {
    let _alone = inner.removing.lock().await;
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
    let key = |file: &BlobFile| BlobKey { digest: file.digest, generation: file.generation };
    let keys: Vec<BlobKey> = files.iter().map(key).collect();
    let mut removed = Vec::with_capacity(files.len());
    for (file, outcome) in files.into_iter().zip(inner.storage.remove_blobs(&keys).await) {
        match outcome {
            Ok(()) => removed.push(file),
            Err(error) => {
                tracing::warn!(%error, "could not remove the file of an unused blob; the next garbage collection tries again");
            }
        }
    }
    let count = removed.len();
    inner.usage.shrank(removed.iter().map(|file| file.size).sum());
    if count > 0 {
        inner.catalog.forget_doomed(removed).await?;
    }
    Ok(count)
}

impl Inner {
    /// The time of the registry's clock, as the catalog counts time.
    pub(crate) fn now(&self) -> i64 {
        stamp(self.clock.now())
    }

    async fn expire(&self, id: UploadId, before: i64) -> Result<bool> {
        let Some(_turn) = self.sessions.try_take(id) else { return Ok(false) };
        // Another process may have claimed the session since it was listed: then it has changed.
        match self.catalog.expire_upload(&id, before).await? {
            Some(ended) => self.clear_upload(ended).await.map(|()| true),
            None => Ok(false),
        }
    }
}
