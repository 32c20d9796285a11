//! What attached clusters run: eviction keeps these images.

use hythe_catalog::Running;
use hythe_oci::Digest;

use crate::clock::millis;
use crate::{Registry, Result};

/// The most clusters whose images are kept.
const MOST: usize = 64;

impl Registry {
    /// Records what a cluster runs now: digests of indexes, manifests or configs. Replaces what the cluster ran before. False
    /// if the registry already keeps the images of as many other clusters as it may.
    pub async fn set_running(&self, source: String, digests: Vec<Digest>) -> Result<bool> {
        let running = Running { source, digests, at: self.0.now() };
        Ok(self.0.catalog.set_running(running, self.running_since(), MOST).await?)
    }

    /// The time before which what a cluster told no longer counts.
    fn running_since(&self) -> i64 {
        self.0.now().saturating_sub(millis(self.options().running_keep))
    }

    /// What clusters run. A cluster that has told nothing for the configured time no longer counts.
    pub async fn running(&self) -> Result<Vec<Running>> {
        Ok(self.0.catalog.running(self.running_since()).await?)
    }
}
