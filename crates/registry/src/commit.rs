//! How a verified upload becomes a blob.

use std::sync::Arc;

use hythe_catalog::{BlobCommit, BlobFile, Provenance};
use hythe_oci::{RepositoryName, UploadId};
use hythe_storage::{BlobKey, Upload};

use crate::twin::{Found, Twin};
use crate::{Error, Inner, Result, collector, now};

impl Inner {
    /// Makes a verified upload a blob of the repository. Where the digest is here already, the bytes of the two are
    /// compared: of those that are the same one file stays, and of others the verified ones. `compared` is what that came to
    /// while they came.
    pub(crate) async fn make_blob(
        &self,
        name: &RepositoryName,
        provenance: &Provenance,
        upload: &Arc<dyn Upload>,
        key: BlobKey,
        size: u64,
        compared: Option<&Arc<Twin>>,
    ) -> Result<()> {
        let BlobKey { digest, generation } = key;
        let (repository, Provenance { origin, private }) = (name.clone(), provenance.clone());
        let commit = BlobCommit { repository, origin, private, digest, size, generation, now: now() };
        let damaged = match self.compare(upload, key, size, compared).await? {
            Live::None => None,
            Live::Damaged(live) => Some(live),
            Live::Same(live) => {
                if self.catalog.link_same(commit.clone(), live).await? {
                    self.drop_file(generation).await;
                    return Ok(());
                }
                // It was collected meanwhile.
                None
            }
        };
        if let Some(twin) = compared {
            Arc::clone(twin).part(Arc::clone(upload)).await?;
        }
        // What the catalog is about to be told must be durable before the file gets its name: the bytes, and the
        // intent to name it, by which a crash's leavings are found. One does not wait for the other.
        let (synced, claimed) =
            tokio::join!(upload.sync(), self.catalog.claim_upload(name, &generation, Some(digest), now()));
        if claimed?.is_none() {
            return Err(Error::UploadUnknown(generation));
        }
        synced?;
        self.opening(|| self.storage.publish(generation, &digest)).await?;
        self.commit(commit, damaged).await
    }

    /// What is here already of the digest that these bytes were found to have.
    async fn compare(
        &self,
        upload: &Arc<dyn Upload>,
        key: BlobKey,
        size: u64,
        compared: Option<&Arc<Twin>>,
    ) -> Result<Live> {
        if let Some(twin) = compared {
            let live = twin.generation();
            return Ok(if twin.is_whole() { Live::Same(live) } else { Live::Damaged(live) });
        }
        let twin = match self.twin(&key.digest)? {
            Found::Nothing => return Ok(Live::None),
            Found::Lost(live) => return Ok(Live::Damaged(live)),
            Found::Twin(twin) => Arc::new(twin),
        };
        // What was written past the page cache is durable for less than it takes to read it again.
        let is_same = !upload.is_direct() && twin.is(&**upload, size).await?;
        Ok(if is_same { Live::Same(twin.generation()) } else { Live::Damaged(twin.generation()) })
    }

    /// Removes what an upload wrote that has no row any more.
    async fn drop_file(&self, id: UploadId) {
        if let Err(error) = self.storage.remove_upload(id).await {
            // The push is done all the same: the file goes at the next start.
            tracing::warn!(upload = %id, %error, "could not remove the file of a finished upload; the next start removes it");
        }
    }

    /// Tells the catalog of a blob that is durable under its name. `damaged` is the generation whose place it takes.
    async fn commit(&self, commit: BlobCommit, damaged: Option<UploadId>) -> Result<()> {
        let BlobCommit { digest, generation, size, .. } = commit;
        let live = match damaged {
            Some(damaged) => self.catalog.replace_blob(commit, damaged).await?,
            None => self.catalog.commit_blob(commit).await?,
        };
        // Where the digest came meanwhile, our file is one too many; else the one that was replaced.
        let doomed = if live == generation { damaged } else { Some(generation) };
        if let Some(generation) = doomed
            && let Err(error) =
                collector::remove_files(self, vec![BlobFile { digest, generation, size }]).await
        {
            // The push is done all the same: the file waits for the collector.
            tracing::warn!(%digest, %error, "could not remove an unused file of the blob; garbage collection tries again");
        }
        Ok(())
    }
}

/// The live file of a digest beside verified bytes.
enum Live {
    None,
    /// It has the same bytes.
    Same(UploadId),
    /// It has others, or is taken to have them.
    Damaged(UploadId),
}
