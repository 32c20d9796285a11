//! Lists repositories, tags and referrers, a page at a time.

use hythe_catalog::{Referrer, Visible};
use hythe_oci::{Digest, RepositoryName, Tag};

use crate::{Error, Registry, Repository, Result};

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of the page, in the listing's order.
    pub items: Vec<T>,
    /// Whether another page follows.
    pub more: bool,
}

impl<T> Page<T> {
    /// The page of the first `limit` items. The caller asks for `limit + 1`: the last only shows that more follow.
    pub(crate) fn of(mut items: Vec<T>, limit: usize) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more: more && limit > 0 }
    }
}

impl Registry {
    /// The visible repositories that hold a manifest, in ASCII order, after `after`.
    pub async fn repositories(
        &self,
        after: Option<&str>,
        limit: usize,
        visible: &Visible,
    ) -> Result<Page<RepositoryName>> {
        Ok(Page::of(self.0.catalog.repositories(after, limit.saturating_add(1), visible).await?, limit))
    }
}

impl Repository<'_> {
    /// The repository's tags in ASCII order, after `after`.
    pub async fn tags(&self, after: Option<&str>, limit: usize) -> Result<Page<Tag>> {
        let tags = self.inner().catalog.tags(self.name, after, limit.saturating_add(1)).await?;
        Ok(Page::of(tags.ok_or_else(|| Error::NameUnknown(self.name.clone()))?, limit))
    }

    /// The manifests whose subject is `subject`, in the order of their digests, after `after`: at most `limit`, and
    /// fewer if their annotations are large. Neither the subject nor the repository need exist.
    pub async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Referrer>> {
        let (items, more) =
            self.inner().catalog.referrers(self.name, subject, artifact_type, after, limit).await?;
        Ok(Page { more: more && !items.is_empty(), items })
    }
}
