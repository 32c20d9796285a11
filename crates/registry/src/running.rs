//! What attached clusters run: eviction keeps these images.

use hythe_catalog::Running;
use hythe_oci::Digest;

use crate::clock::millis;
use crate::{Registry, Result};

/// The most clusters whose images are kept.
const MOST: usize = 64;

impl Registry {
    /// Records what a cluster runs now: digests of indexes, manifests or configs. Replaces what the cluster ran before.
    pub async fn set_running(&self, source: String, digests: Vec<Digest>) -> Result<()> {
        let running = Running { source, digests, at: self.0.now() };
        Ok(self.0.catalog.set_running(running, MOST).await?)
    }

    /// What clusters run. A cluster that has told nothing for the configured time no longer counts.
    pub async fn running(&self) -> Result<Vec<Running>> {
        let since = self.0.now().saturating_sub(millis(self.options().running_keep));
        Ok(self.0.catalog.running(since).await?)
    }
}
