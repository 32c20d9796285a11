//! What retention rules read of a repository.

use hythe_catalog::{AgedManifest, AgedTag, Listing};
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
}
