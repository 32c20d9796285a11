//! Deleted manifests and tags of this registry's own repositories: they can be restored until garbage collection purges
//! them, after the grace period.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hythe_catalog::{
    Cause, DeletedManifest, DeletedTotal, Deletion, PastTag, PastTags, Purged, Restored, RestoredTag,
};
use hythe_oci::{Digest, Reference, RepositoryName, Tag};

use crate::clock::millis;
use crate::upkeep::{Due, remove_doomed};
use crate::{Page, Registry, Repository, Result};

impl Registry {
    /// Removes for good up to `most` deleted manifests that are due, the oldest deletion first, with the blobs that only
    /// they needed; zero manifests mean that none is left. With the [due](Self::due) of a grace period of zero, every
    /// deleted manifest is due.
    pub async fn purge_deleted(&self, due: Due, most: usize) -> Result<Purged> {
        let purged = self.0.catalog.purge_deleted(due.before, due.before, due.promise, most).await?;
        self.remove_purged(purged).await
    }

    /// Removes for good up to `most` deleted manifests, the oldest deletion first, to make room. Unlike a collection without
    /// a grace period, it leaves blobs alone on which a push under way may rely.
    pub async fn purge_for_room(&self, most: usize) -> Result<Purged> {
        let used = self.0.now().saturating_sub(millis(self.options().collect_grace));
        let purged = self.0.catalog.purge_deleted(i64::MAX, used, None, most).await?;
        self.remove_purged(purged).await
    }

    /// Removes the files of the blobs that a purge removed.
    async fn remove_purged(&self, purged: Purged) -> Result<Purged> {
        if purged.blobs > 0 {
            remove_doomed(&self.0).await?;
        }
        Ok(purged)
    }

    /// How much deleted content can be restored. Reads each reference of the deleted manifests.
    pub async fn deleted_total(&self) -> Result<DeletedTotal> {
        Ok(self.0.catalog.deleted_total(i64::MIN).await?)
    }

    /// The deleted manifests of one repository, or of all: the latest deletion first, from the first before the deletion
    /// `before`.
    pub async fn deleted_manifests(
        &self,
        repository: Option<RepositoryName>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<DeletedManifest>> {
        let page = self.0.catalog.deleted_manifests(repository, before, limit.saturating_add(1)).await?;
        Ok(Page::of(page, limit))
    }

    /// What tags named before: the latest change first, from the first before the change `before`.
    pub async fn past_tags(
        &self,
        which: PastTags,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Page<PastTag>> {
        Ok(Page::of(self.0.catalog.past_tags(which, before, limit.saturating_add(1)).await?, limit))
    }

    /// Until when content that was deleted at `deleted` can be restored at least; `None` for a time that the system cannot
    /// express.
    pub fn restorable_until(&self, deleted: i64) -> Option<SystemTime> {
        let deleted = Duration::from_millis(deleted.max(0).cast_unsigned());
        UNIX_EPOCH.checked_add(deleted.saturating_add(self.options().collect_grace))
    }
}

impl Repository<'_> {
    /// Deletes a tag, or a manifest with all its tags, whether or not clients may delete; false if it does not exist.
    /// Content of this registry's own repositories can be restored; content of a copy is removed at once.
    pub async fn delete(&self, reference: &Reference, cause: Cause) -> Result<bool> {
        let inner = self.inner();
        let at = inner.now();
        Ok(match reference {
            Reference::Tag(tag) => inner.catalog.delete_tag(self.name, tag, at).await?,
            Reference::Digest(digest) => {
                inner.catalog.withdraw_manifest(self.name, digest, Deletion { at, cause }).await?
            }
        })
    }

    /// Restores a deleted manifest with the tags that it had, with the deleted manifests that it lists and those that
    /// refer to it; `None` if it is not among the deleted ones.
    pub async fn restore_manifest(&self, digest: &Digest) -> Result<Option<Restored>> {
        Ok(self.inner().catalog.restore_manifest(self.name, digest, self.inner().now()).await?)
    }

    /// Makes a removed tag name its last manifest again, or moves a tag back to the manifest `to`.
    pub async fn restore_tag(&self, tag: &Tag, to: Option<Digest>) -> Result<RestoredTag> {
        if let Some(to) = &to {
            self.check_protected_move(tag, to).await?;
        }
        Ok(self.inner().catalog.restore_tag(self.name, tag, to, self.inner().now()).await?)
    }
}
