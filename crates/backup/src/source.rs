//! What is backed up: a registry, in this process or at the other end of a connection.

use std::fs::File;

use async_trait::async_trait;
use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName};

use crate::Result;

/// A registry to back up.
#[async_trait]
pub trait Source: Send + Sync {
    /// The registry as the snapshot names it, such as its URL.
    fn name(&self) -> String;

    /// Takes a lease, and returns its id: until it ends, the registry removes no blob.
    async fn take_lease(&self) -> Result<String>;

    /// Renews the lease. False if it has ended.
    async fn renew_lease(&self, id: &str) -> Result<bool>;

    /// Ends the lease. A lease that cannot be ended ends by itself.
    async fn release_lease(&self, id: &str);

    /// Writes the lines of all records, as they are at one instant, into a file.
    async fn records(&self, into: File) -> Result<()>;

    /// The bytes of a blob from an offset on; `None` if the repository does not have it.
    async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: u64,
    ) -> Result<Option<Box<dyn Pieces>>>;
}

/// The bytes of a blob, piece by piece.
#[async_trait]
pub trait Pieces: Send {
    /// The next piece; an empty one behind the last.
    async fn next(&mut self) -> Result<Bytes>;
}
