//! What retention rules read of a repository.

use std::sync::Arc;

use hythe_catalog::{AgedManifest, AgedTag, Cause, Deletion, ImageRemoval, Listing, Running};
use hythe_oci::{Digest, Tag};

use crate::{Repository, Result};

impl Repository<'_> {
    /// Up to `limit` manifests with their times, by digest, from the first past `after`.
    pub async fn aged_manifests(&self, after: Option<&Digest>, limit: usize) -> Result<Vec<AgedManifest>> {
        Ok(self.inner().catalog.aged_manifests(self.name, after, limit).await?)
    }

    /// Up to `limit` tags with their times, in bytewise order, from the first past `after`.
    pub async fn aged_tags(&self, after: Option<&Tag>, limit: usize) -> Result<Vec<AgedTag>> {
        Ok(self.inner().catalog.aged_tags(self.name, after, limit).await?)
    }

    /// Up to `limit` pairs of a manifest and an index that lists it, from the first past `after`.
    pub async fn listings(&self, after: Option<&Listing>, limit: usize) -> Result<Vec<Listing>> {
        Ok(self.inner().catalog.listings(self.name, after, limit).await?)
    }

    /// The manifests of which clusters run something: the manifest itself, its config, or a manifest that it lists. Each comes
    /// with the name of a cluster.
    pub async fn run_by(&self, running: &Arc<[Running]>) -> Result<Vec<(Digest, String)>> {
        Ok(self.inner().catalog.run_by(self.name, Arc::clone(running)).await?)
    }

    /// Removes tags and manifests that belong together, so that they can be restored. The tags come with the manifests that
    /// they named and the times of their pushes, and the manifests with the times when they were last needed, an owner before
    /// what belongs to it. False if something changed since then, or a rule protects a tag: then it removes nothing, or, of
    /// very many, not the rest.
    pub async fn remove_image(
        &self,
        tags: Vec<(Tag, Digest, i64)>,
        manifests: Vec<(Digest, i64)>,
    ) -> Result<bool> {
        let inner = self.inner();
        inner.check_delete()?;
        let options = self.registry.options();
        if tags.iter().any(|(tag, ..)| options.protection(self.name, tag).is_some()) {
            return Ok(false);
        }
        let removal = ImageRemoval { repository: self.name.clone(), tags, manifests };
        let deletion = Deletion { at: inner.now(), cause: Cause::Retention };
        Ok(inner.catalog.remove_image(removal, deletion).await?)
    }
}
