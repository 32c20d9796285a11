//! The collector: what nothing needs any more goes, beside pushes and pulls, without a pause.
//!
//! Each step is a small transaction of the catalog, which rechecks what it removes; a file goes only after the row
//! that named it, and by its generation, so that a push of the same digest at the same time is never hurt.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_catalog::{Amount, BlobFile, Promise, Untagged};
use hythe_oci::{Digest, UploadId};
use hythe_storage::BlobKey;

use crate::{Error, Inner, Registry, Result, millis, now};

/// How many rows one step looks at: a few milliseconds of the writer's time.
const STEP: usize = 256;

/// What is asked of a round of the collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Whether manifests that were pushed here and that nothing leads to go too: no tag, no index, no subject.
    pub untagged: bool,
    /// Whether nothing is removed, and only said what would be.
    pub dry_run: bool,
    /// In the place of the grace period. Zero takes all that nothing needs, however short a time ago it was used.
    pub grace: Option<Duration>,
}

/// Which of what nothing needs is due in a round.
#[derive(Clone, Copy)]
struct Due {
    /// What was last used before this.
    before: i64,
    /// What clients rely on, where some of it is due.
    promise: Option<Promise>,
}

/// How long the collector leaves alone what is on its way in: far longer than it takes.
const ON_ITS_WAY: Duration = Duration::from_hours(1);

/// What one round of the collector removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that nothing led to, where these were asked for.
    pub manifests: u64,
    /// Expired upload sessions.
    pub uploads: u64,
    /// Blobs that a repository had and no longer has.
    pub links: u64,
    /// Blobs whose bytes went.
    pub blobs: u64,
    /// How many bytes those had.
    pub bytes: u64,
}

/// What a round that was asked for removed, and what it left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectedNow {
    /// What it removed, or would have.
    pub collected: Collected,
    /// Blobs that nothing needs, and that were used too short a time ago.
    pub waiting: Amount,
    /// Manifests that nothing leads to, and that were pushed too short a time ago, where these were asked for.
    pub waiting_manifests: u64,
    /// When the last of all these is due, if there are any.
    pub due: Option<SystemTime>,
}

impl Registry {
    /// One round over everything: expired uploads, unused blobs, and what earlier rounds could not remove.
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
            // Each step looks where it is called: other requests of this thread come between.
            tokio::task::yield_now().await;
        }
    }

    /// A round because somebody asks for one. The grace period holds all the same, where no other is given.
    pub async fn collect_now(&self, collection: Collection) -> Result<CollectedNow> {
        let due = self.due(collection.grace);
        let mut collected = Collected::default();
        if collection.untagged && !collection.dry_run {
            collected.manifests = self.remove_untagged(due).await?;
        }
        if !collection.dry_run {
            collected = Collected { manifests: collected.manifests, ..self.collect_due(due).await? };
        }
        let (catalog, before) = (self.0.catalog.clone(), due.before);
        // It looks at every link, and at every manifest.
        let counted = tokio::task::spawn_blocking(move || {
            let untagged = if collection.untagged { catalog.untagged(before)? } else { Untagged::default() };
            Ok::<_, hythe_catalog::Error>((catalog.unused(before)?, untagged))
        });
        let counted = counted.await;
        let (unused, untagged) = counted
            .map_err(|error| Error::Internal(format!("could not count the unused blobs: {error}")))??;
        if collection.dry_run {
            collected.manifests = untagged.due;
            (collected.blobs, collected.bytes) = (unused.due.blobs, unused.due.bytes);
        }
        let last = unused.last_use.max(untagged.pushed);
        let grace = self.options().collect_grace;
        let due = last.map(|last| Duration::from_millis(last.max(0).cast_unsigned()).saturating_add(grace));
        Ok(CollectedNow {
            collected,
            waiting: unused.waiting,
            waiting_manifests: untagged.waiting,
            due: due.and_then(|due| UNIX_EPOCH.checked_add(due)),
        })
    }

    /// How many manifests that nothing leads to were removed.
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
            // Whatever the clock says: it may have been put back since the last use.
            Some(Duration::ZERO) => Due { before: i64::MAX, promise: Some(Promise { since, now: now() }) },
            Some(grace) if grace < usual => {
                Due { before: before(grace), promise: Some(Promise { since, now: now() }) }
            }
            _ => Due { before: before(grace.unwrap_or(usual)), promise: None },
        }
    }

    /// Removes what a crash left: files of uploads that no row names, and blobs that were on their way out.
    /// For the start, before anything is served.
    pub async fn recover(&self) -> Result<()> {
        let inner = &*self.0;
        // Nothing is on its way yet.
        inner.catalog.clear_hidden(i64::MAX).await?;
        for id in inner.storage.uploads().await? {
            if !inner.catalog.upload_exists(&id)? {
                inner.storage.remove_upload(id).await?;
            }
        }
        remove_doomed(inner).await
    }
}

/// What was last used before this was not used for so long.
fn before(duration: Duration) -> i64 {
    now().saturating_sub(millis(duration))
}

/// Removes the files whose rows are gone already.
pub(crate) async fn remove_doomed(inner: &Inner) -> Result<()> {
    let mut last = None;
    loop {
        let files = inner.catalog.doomed(last.as_ref(), STEP)?;
        let is_last = files.len() < STEP;
        // Those that cannot be removed stay, and keep no other.
        last = files.last().cloned();
        remove_files(inner, files).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Removes doomed files and answers how many went. One that cannot be removed stays doomed, and keeps no other.
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
            let stale = self.catalog.stale_uploads(before, STEP)?;
            let last = stale.len() < STEP;
            let mut removed = 0;
            for upload in stale {
                match self.expire(upload.id, upload.digest, before).await {
                    Ok(gone) => removed += u64::from(gone),
                    // One that cannot be removed must not keep the others, nor the rest of the round.
                    Err(error) => {
                        tracing::warn!(upload = %upload.id, %error, "could not remove an expired upload; the next garbage collection tries again");
                    }
                }
            }
            expired += removed;
            // Sessions that are being written to stay; without this, a page full of them would turn forever.
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
