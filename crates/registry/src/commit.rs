//! How a verified upload becomes a blob.

use std::sync::Arc;

use hythe_catalog::{BlobCommit, BlobFile, Provenance};
use hythe_oci::{Digest, RepositoryName, UploadId};
use hythe_storage::{BlobKey, Owner, Upload};

use crate::twin::{Found, Twin};
use crate::{Error, Inner, Result, upkeep};

/// A verified upload that is to become a blob of a repository.
#[derive(Clone, Copy)]
pub(crate) struct Making<'a> {
    pub(crate) name: &'a RepositoryName,
    pub(crate) provenance: &'a Provenance,
    pub(crate) owner: &'a Owner,
    pub(crate) upload: &'a Arc<dyn Upload>,
}

impl Inner {
    /// Makes a verified upload a blob of the repository. If the digest already has a file, the bytes are compared with
    /// that file: if they are the same, the old file stays; if not, the verified upload replaces it. `compared` is the
    /// result, if the bytes were already compared while they came. Returns [`Error::UploadTakenOver`] if `owner` no longer
    /// owns the session: then the session goes on, and no blob was made of it here.
    pub(crate) async fn make_blob(
        &self,
        Making { name, provenance, owner, upload }: Making<'_>,
        digest: Digest,
        size: u64,
        compared: Option<&Arc<Twin>>,
    ) -> Result<()> {
        let (generation, epoch) = (owner.id(), owner.epoch());
        let key = BlobKey { digest, generation };
        let (repository, Provenance { origin, private }) = (name.clone(), provenance.clone());
        let now = self.now();
        let commit = BlobCommit { repository, origin, private, digest, size, generation, epoch, now };
        let damaged = match self.compare(upload, key, size, compared).await? {
            Live::None => None,
            Live::Damaged(live) => Some(live),
            Live::Same(live) => {
                if self.catalog.link_same(commit.clone(), live).await? {
                    self.drop_file(generation).await;
                    return Ok(());
                }
                // Garbage collection removed the old file meanwhile.
                None
            }
        };
        if let Some(twin) = compared {
            twin.part(&**upload).await?;
        }
        // Two things must be durable before the file gets the blob's name: the bytes, and the intent to name the file,
        // by which the file is found after a crash. Both happen at the same time.
        let (synced, named) =
            tokio::join!(upload.sync(), self.catalog.name_upload(&generation, epoch, &digest, self.now()));
        if !named? {
            return Err(Error::UploadTakenOver(generation));
        }
        synced?;
        self.opening(|| self.storage.publish(owner, &digest)).await?;
        self.commit(commit, damaged).await
    }

    /// Compares a verified upload with the live file of its digest, if there is one.
    async fn compare(
        &self,
        upload: &Arc<dyn Upload>,
        key: BlobKey,
        size: u64,
        compared: Option<&Arc<Twin>>,
    ) -> Result<Live> {
        if let Some(twin) = compared {
            let live = twin.generation();
            return Ok(if twin.is_whole().await { Live::Same(live) } else { Live::Damaged(live) });
        }
        let twin = match self.twin(&key.digest).await? {
            Found::Nothing => return Ok(Live::None),
            Found::Lost(live) => return Ok(Live::Damaged(live)),
            Found::Twin(twin) => twin,
        };
        // If syncing the upload costs less than reading it back for a comparison, it replaces the live file.
        let is_same = upload.reads_back_cheaply() && twin.is(&**upload, size).await?;
        Ok(if is_same { Live::Same(twin.generation()) } else { Live::Damaged(twin.generation()) })
    }

    /// Removes the file of an upload that has no row any more.
    async fn drop_file(&self, id: UploadId) {
        if let Err(error) = self.storage.remove_upload(id).await {
            // The push succeeded all the same; the next start removes the file.
            tracing::warn!(upload = %id, %error, "could not remove the file of a finished upload; the next start removes it");
        }
    }

    /// Records in the catalog a blob whose file is durable under its name. `damaged` is the generation that it
    /// replaces.
    async fn commit(&self, commit: BlobCommit, damaged: Option<UploadId>) -> Result<()> {
        let BlobCommit { digest, generation, size, .. } = commit;
        let live = match damaged {
            Some(damaged) => self.catalog.replace_blob(commit, damaged).await?,
            None => self.catalog.commit_blob(commit).await?,
        };
        if let Err(error) = self.storage.finish_upload(&BlobKey { digest, generation }).await {
            // The push succeeded all the same; the next start removes what is left.
            tracing::warn!(upload = %generation, %error, "could not remove what is left of a finished upload; the next start removes it");
        }
        // If another push of the digest committed meanwhile, this file is redundant; otherwise the replaced file is.
        let doomed = if live == generation { damaged } else { Some(generation) };
        if let Some(generation) = doomed
            && let Err(error) = upkeep::remove_files(self, vec![BlobFile { digest, generation, size }]).await
        {
            // The push succeeded all the same; garbage collection removes the file.
            tracing::warn!(%digest, %error, "could not remove an unused file of the blob; garbage collection tries again");
        }
        Ok(())
    }
}

/// The live file of a digest beside verified bytes.
enum Live {
    None,
    /// The file of this generation has the same bytes.
    Same(UploadId),
    /// The file of this generation has other bytes, or is assumed to.
    Damaged(UploadId),
}
