//! Copies of what upstreams have: which there are, and how they are cleared.

use hythe_catalog::{Cleared, CopySummary, Origin, Pattern, Provenance};

use crate::{Page, Registry, Repository, Result, collector};

/// The most tags that a summary names; how many there are it says all the same.
const TAGS: usize = 1000;

/// How many copies are looked up at once.
const STEP: usize = 64;

impl Registry {
    /// The copies that a pattern means and `listed` takes, in ASCII order, after `after`.
    pub fn copies(
        &self,
        pattern: &Pattern,
        after: Option<&str>,
        limit: usize,
        listed: impl Fn(&Provenance) -> bool,
    ) -> Result<Page<CopySummary>> {
        let copies = self.0.catalog.copies(pattern, after, limit.saturating_add(1), TAGS, listed)?;
        Ok(Page::of(copies, limit))
    }

    /// Takes what a pattern means out of the copies that `listed` takes: all of them, or their tags with what is there
    /// for their sake. What was pushed here stays, and so do the bytes of blobs that another repository has.
    pub async fn clear_copies(
        &self,
        pattern: &Pattern,
        listed: impl Fn(&Provenance) -> bool,
    ) -> Result<Cleared> {
        let inner = &*self.0;
        inner.check_delete()?;
        let (mut cleared, mut after) = (Cleared::default(), None);
        loop {
            let copies = inner.catalog.copies(pattern, after.as_deref(), STEP, 0, &listed)?;
            let Some(last) = copies.last() else { return Ok(cleared) };
            after = Some(last.name.to_string());
            for copy in &copies {
                cleared += if pattern.has_tag() {
                    inner.catalog.clear_tags(&copy.name, pattern).await?
                } else {
                    inner.catalog.clear_copy(&copy.name).await?
                };
                if let Err(error) = collector::remove_doomed(inner).await {
                    // It is cleared all the same: the files wait for the collector.
                    tracing::warn!(repository = %copy.name, %error, "could not remove files of a cleared copy; garbage collection tries again");
                }
            }
        }
    }
}

impl Repository<'_> {
    /// Makes it the registry's own, with all that it holds, where it is a copy: then it can be pushed into. Refused where
    /// credentials were needed for something of it.
    pub async fn pin(&self) -> Result<()> {
        let found = self.provenance()?;
        if found.is_some_and(|found| found.origin != Origin::Local) {
            self.inner().catalog.pin_copy(self.name).await?;
        }
        Ok(())
    }
}
