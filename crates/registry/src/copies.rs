//! Copies of upstreams' repositories: lists, clears and pins them.

use hythe_catalog::{Cleared, CopySummary, Origin, Visible};
use hythe_oci::ImagePattern;

use crate::{Page, Registry, Repository, Result, upkeep};

/// The most tags that a summary names. Its count includes the others.
const TAGS: usize = 1000;

/// How many copies one step reads.
const STEP: usize = 64;

impl Registry {
    /// The visible copies that the pattern selects, in ASCII order, after `after`.
    pub async fn copies(
        &self,
        pattern: &ImagePattern,
        after: Option<&str>,
        limit: usize,
        visible: &Visible,
    ) -> Result<Page<CopySummary>> {
        let copies = self.0.catalog.copies(pattern, after, limit.saturating_add(1), TAGS, visible).await?;
        Ok(Page::of(copies, limit))
    }

    /// Clears the visible copies that the pattern selects: whole copies, or their tags with the content that only those
    /// tags need. Content that was pushed here stays, and so do the bytes of blobs that another
    /// repository has.
    pub async fn clear_copies(&self, pattern: &ImagePattern, visible: &Visible) -> Result<Cleared> {
        let inner = &*self.0;
        inner.check_delete()?;
        let (mut cleared, mut after) = (Cleared::default(), None);
        loop {
            let copies = inner.catalog.copies(pattern, after.as_deref(), STEP, 0, visible).await?;
            let Some(last) = copies.last() else { return Ok(cleared) };
            after = Some(last.name.to_string());
            for copy in &copies {
                cleared += if pattern.tag().is_some() {
                    inner.catalog.clear_tags(&copy.name, pattern).await?
                } else {
                    inner.catalog.clear_copy(&copy.name).await?
                };
                if let Err(error) = upkeep::remove_doomed(inner).await {
                    // The copy is cleared all the same; garbage collection removes the files later.
                    tracing::warn!(repository = %copy.name, %error, "could not remove files of a cleared copy; garbage collection tries again");
                }
            }
        }
    }
}

impl Repository<'_> {
    /// Makes the repository local, with all its content, if it is a copy: then clients can push into it. Refused if
    /// credentials were needed to fetch some of its content.
    pub async fn pin(&self) -> Result<()> {
        let found = self.provenance().await?;
        if found.is_some_and(|found| found.origin != Origin::Local) {
            self.inner().catalog.pin_copy(self.name).await?;
        }
        Ok(())
    }
}
