//! How a verified upload becomes a blob.

use hythe_catalog::{BlobCommit, BlobFile, Provenance};
use hythe_oci::RepositoryName;
use hythe_storage::{BlobKey, Upload};

use crate::{Error, Inner, Result, collector, now};

impl Inner {
    /// Makes a verified upload durable, gives it its name and tells the catalog.
    pub(crate) async fn make_blob(
        &self,
        name: &RepositoryName,
        provenance: &Provenance,
        upload: &dyn Upload,
        key: BlobKey,
        size: u64,
    ) -> Result<()> {
        let BlobKey { digest, generation } = key;
        // What the catalog is about to be told must be durable before the file gets its name: the bytes, and the
        // intent to name it, by which a crash's leavings are found. One does not wait for the other.
        let (synced, claimed) =
            tokio::join!(upload.sync(), self.catalog.claim_upload(name, &generation, Some(digest), now()));
        if claimed?.is_none() {
            return Err(Error::UploadUnknown(generation));
        }
        synced?;
        self.storage.publish(generation, &digest).await?;
        self.commit(name, provenance, key, size).await
    }

    /// Tells the catalog of a blob that is durable under its name.
    async fn commit(
        &self,
        name: &RepositoryName,
        provenance: &Provenance,
        key: BlobKey,
        size: u64,
    ) -> Result<()> {
        let BlobKey { digest, generation } = key;
        let (repository, Provenance { origin, private }) = (name.clone(), provenance.clone());
        let commit = BlobCommit { repository, origin, private, digest, size, generation, now: now() };
        let lost = self.lost_generation(&digest)?;
        let live = match lost {
            Some(lost) => self.catalog.replace_blob(commit, lost).await?,
            None => self.catalog.commit_blob(commit).await?,
        };
        // Where the digest was here already, our file is one too many; where its bytes were lost, what is left of them.
        let doomed = if live == generation { lost } else { Some(generation) };
        if let Some(generation) = doomed
            && let Err(error) =
                collector::remove_files(self, vec![BlobFile { digest, generation, size }]).await
        {
            // The push is done all the same: the file waits for the collector.
            tracing::warn!(%digest, %error, "a file that nothing needs could not be removed yet");
        }
        Ok(())
    }
}
