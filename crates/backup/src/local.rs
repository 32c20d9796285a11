//! The registry of this process, as a backup reads it.

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName};
use hythe_registry::{Content, Registry, Stored};

use crate::{Chosen, Error, PIECE, Pieces, Result, Source};

/// The registry of this process. Only what was pushed to it is backed up.
pub struct Local {
    registry: Registry,
    name: String,
    holder: String,
}

impl Local {
    /// A registry, by the name that the snapshots get. The holder is the lease's.
    pub fn new(registry: Registry, name: String, holder: String) -> Self {
        Self { registry, name, holder }
    }
}

#[async_trait]
impl Source for Local {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn take_lease(&self) -> Result<String> {
        match self.registry.take_lease("backup", &self.holder).await? {
            Some(lease) => Ok(lease.id),
            None => {
                Err(Error::Source("too many leases live; each ends by itself within ten minutes".to_owned()))
            }
        }
    }

    async fn renew_lease(&self, id: &str) -> Result<bool> {
        Ok(self.registry.renew_lease(id).await?.is_some())
    }

    async fn release_lease(&self, id: &str) {
        if let Err(error) = self.registry.release_lease(id).await {
            tracing::debug!(%error, "could not release the lease of a backup; it ends by itself");
        }
    }

    async fn records(&self, into: File) -> Result<()> {
        let mut chosen = Chosen::local();
        let takes = move |record: &hythe_registry::Record| chosen.takes(record);
        self.registry.spool_records(into, takes, ()).await?;
        Ok(())
    }

    async fn blob(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        from: u64,
    ) -> Result<Option<Box<dyn Pieces>>> {
        match self.registry.repository(repository).blob(digest).await {
            Ok(blob) => match blob.content {
                Content::Stored(stored) => Ok(Some(Box::new(Reading { stored, offset: from }))),
                // A blob that is being fetched is not of a repository that clients push to.
                Content::Growing(_) => Ok(None),
            },
            Err(hythe_registry::Error::BlobUnknown { .. } | hythe_registry::Error::NameUnknown(_)) => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A blob that is being read.
struct Reading {
    stored: Arc<dyn Stored>,
    offset: u64,
}

#[async_trait]
impl Pieces for Reading {
    async fn next(&mut self) -> Result<Bytes> {
        let left = self.stored.size().saturating_sub(self.offset);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE);
        if length == 0 {
            return Ok(Bytes::new());
        }
        let piece = self.stored.read(self.offset, length).await?;
        self.offset += piece.len() as u64;
        Ok(piece)
    }
}
