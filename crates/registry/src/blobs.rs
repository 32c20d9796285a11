//! The blobs of a repository: only those that it links.

use std::sync::Arc;

use bytes::Bytes;
use hythe_catalog::{Blob as Row, MountFrom, Origin};
use hythe_oci::{Digest, RepositoryName};
use hythe_storage::{BlobKey, Content as Stored};

use crate::replaced::Replaceable;
use crate::{Error, Growing, Inner, Registry, Repository, Result, Started, upkeep};

/// The bytes of a blob.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes that are stored, and never change.
    Stored(Arc<dyn Stored>),
    /// Bytes of a blob that is still being fetched.
    Growing(Growing),
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Stored(Arc::new(bytes))
    }
}

/// A blob that can be read.
#[derive(Clone, Debug)]
pub struct Blob {
    /// The digest.
    pub digest: Digest,
    /// The length in bytes.
    pub size: u64,
    /// The bytes.
    pub content: Content,
}

impl Registry {
    /// The size of the blob, if any repository has it. This is only a hint that the bytes are here: a client must not
    /// learn of it.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        Ok(self.0.catalog.live_file(digest).await?.map(|file| file.size))
    }
}

impl Repository<'_> {
    /// A blob, to read it.
    pub async fn blob(&self, digest: &Digest) -> Result<Blob> {
        let (mut blob, _) = self.inner().open_blob(self.name, digest).await?;
        if *self.origin != Origin::Local
            && let Content::Stored(content) = blob.content
        {
            blob.content = Content::Stored(self.inner().readers.count(digest, content));
        }
        Ok(blob)
    }

    /// A blob on whose presence a client relies from now on: garbage collection keeps it for the grace period.
    pub async fn use_blob(&self, digest: &Digest) -> Result<Blob> {
        let (blob, last_use) = self.inner().open_blob(self.name, digest).await?;
        if let Some(now) = self.renewed(last_use)
            && !self.inner().catalog.touch_blob(self.name, digest, now).await?
        {
            return Err(self.blob_unknown(digest));
        }
        Ok(blob)
    }

    /// Links a blob that another repository has, or starts an upload of it.
    pub async fn mount_blob(&self, digest: &Digest, from: MountFrom) -> Result<Started> {
        let inner = self.inner();
        if inner.link(self, digest, from).await? {
            return Ok(Started::Mounted(*digest));
        }
        self.start_upload(digest.algorithm()).await.map(Started::Session)
    }

    /// Links a blob that any repository has; false if its bytes are not here. The caller has verified that the blob
    /// belongs into this repository too.
    pub async fn link_blob(&self, digest: &Digest) -> Result<bool> {
        self.inner().link(self, digest, MountFrom::Any).await
    }

    /// Removes a blob from the repository, and its bytes if no other repository has it.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<()> {
        let inner = self.inner();
        inner.check_delete()?;
        self.check_protected_blob(digest).await?;
        if !inner.catalog.unlink_blob(self.name, digest).await? {
            return Err(self.blob_unknown(digest));
        }
        if let Err(error) = upkeep::remove_doomed(inner).await {
            // The blob is deleted all the same; garbage collection removes its file.
            tracing::warn!(%digest, %error, "could not remove the file of a deleted blob; garbage collection tries again");
        }
        Ok(())
    }

    fn blob_unknown(&self, digest: &Digest) -> Error {
        Error::BlobUnknown { repository: self.name.clone(), digest: *digest }
    }
}

fn key(row: &Row) -> BlobKey {
    BlobKey { digest: row.digest, generation: row.generation }
}

impl Inner {
    pub(crate) fn check_delete(&self) -> Result<()> {
        if self.options.load().delete { Ok(()) } else { Err(Error::DeleteDisabled) }
    }

    /// Links a blob into a repository. False if the blob's bytes are lost, so that the client sends them again.
    async fn link(&self, to: &Repository<'_>, digest: &Digest, from: MountFrom) -> Result<bool> {
        let (name, provenance) = (to.name.clone(), to.provenance_of_writes());
        let Some(row) = self.catalog.mount_blob(digest, from, name, provenance, self.now()).await? else {
            return Ok(false);
        };
        Ok(matches!(self.content(&key(&row), row.size).await, Ok(Some(_))))
    }

    pub(crate) async fn content(&self, key: &BlobKey, size: u64) -> Result<Option<Arc<dyn Stored>>> {
        let content = self.opening(|| self.storage.open_blob(key)).await?;
        Ok(content.filter(|content| {
            let whole = content.size() == size;
            if !whole {
                tracing::error!(digest = %key.digest, expected = size, found = content.size(),
                    "the blob's file does not have the size that the catalog records, so it is not served; push the blob again");
            }
            whole
        }))
    }

    async fn open_blob(self: &Arc<Self>, name: &RepositoryName, digest: &Digest) -> Result<(Blob, i64)> {
        let unknown = || Error::BlobUnknown { repository: name.clone(), digest: *digest };
        let mut row = self.catalog.blob(name, digest).await?.ok_or_else(unknown)?;
        loop {
            if let Some(content) = self.content(&key(&row), row.size).await? {
                let content = Replaceable::wrap(self, name, digest, row.generation, content);
                let content = Content::Stored(content);
                return Ok((Blob { digest: *digest, size: row.size, content }, row.last_use));
            }
            // Between the reads of the row and the file, the blob may have been collected and pushed again.
            let again = self.catalog.blob(name, digest).await?.ok_or_else(unknown)?;
            if again.generation == row.generation {
                tracing::error!(%digest, generation = %row.generation, "the blob's file is missing; push the blob again");
                return Err(unknown());
            }
            row = again;
        }
    }
}
