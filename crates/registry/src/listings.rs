//! Listings: repositories, tags, referrers, a page at a time.

use hythe_catalog::{Provenance, Referrer};
use hythe_oci::{Digest, RepositoryName, Tag};

use crate::{Error, Registry, Repository, Result};

/// One page of a listing in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Whether there is a next one.
    pub more: bool,
}

impl<T> Page<T> {
    /// Of `limit + 1` items that were asked for, the last only says that there are more.
    pub(crate) fn of(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more: more && limit > 0 }
    }
}

impl Registry {
    /// Repositories that hold a manifest, in ASCII order, after `after`; those that `listed` takes.
    pub fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
        listed: impl Fn(&Provenance) -> bool,
    ) -> Result<Page<RepositoryName>> {
        Ok(Page::of(self.0.catalog.repositories(after, limit.saturating_add(1), listed)?, limit))
    }
}

impl Repository<'_> {
    /// Its tags in ASCII order, after `after`.
    pub fn tags(&self, after: Option<&str>, limit: usize) -> Result<Page<Tag>> {
        let tags = self.inner().catalog.tags(self.name, after, limit.saturating_add(1))?;
        Ok(Page::of(tags.ok_or_else(|| Error::NameUnknown(self.name.clone()))?, limit))
    }

    /// The manifests whose subject is `subject`, in the order of their digests, after `after`: `limit` at most, and fewer
    /// where they are heavy. The subject need not exist, nor the repository.
    pub fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Referrer>> {
        let (items, more) =
            self.inner().catalog.referrers(self.name, subject, artifact_type, after, limit)?;
        Ok(Page { more: more && !items.is_empty(), items })
    }
}
