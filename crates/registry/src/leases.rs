//! Leases: while one lives, no local blob is removed.

use hythe_catalog::Lease;

use crate::{Registry, Result};

impl Registry {
    /// Takes a lease; `None` if as many leases live as may.
    pub async fn take_lease(&self, purpose: &str, holder: &str) -> Result<Option<Lease>> {
        Ok(self.0.catalog.take_lease(purpose, holder, self.0.now()).await?)
    }

    /// Renews a lease; `None` if it has ended.
    pub async fn renew_lease(&self, id: &str) -> Result<Option<Lease>> {
        Ok(self.0.catalog.renew_lease(id, self.0.now()).await?)
    }

    /// Ends a lease. False if it had already ended.
    pub async fn release_lease(&self, id: &str) -> Result<bool> {
        Ok(self.0.catalog.release_lease(id, self.0.now()).await?)
    }

    /// The leases that live, the one that ends last first.
    pub async fn leases(&self) -> Result<Vec<Lease>> {
        Ok(self.0.catalog.leases(self.0.now()).await?)
    }
}
