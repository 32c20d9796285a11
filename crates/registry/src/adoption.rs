//! Adopts files of another registry as blobs.
//!
//! An adoption is recorded as a [fetch](crate::Fetch): so the next adoption finds by repository and digest what a kill
//! left of this one, and removes it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use hythe_catalog::{Upload as Row, UploadStart};
use hythe_oci::{Algorithm, Digest, HashState, UploadId};
use hythe_storage::{Owner, Upload};

use crate::commit::Making;
use crate::ingest::hash_again;
use crate::{Error, Registry, Repository, Result};

/// How many bytes are read at once.
const PIECE: usize = 1 << 20;

/// A blob that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The size in bytes.
    pub size: u64,
    /// Whether the file and the blob share their bytes on the disk; otherwise the bytes were copied.
    pub linked: bool,
}

impl Registry {
    /// Whether this whole tree was imported.
    pub async fn is_imported(&self, source: &str) -> Result<bool> {
        Ok(self.0.catalog.is_imported(source).await?)
    }

    /// Records that this whole tree was imported.
    pub async fn finish_import(&self, source: &str) -> Result<()> {
        Ok(self.0.catalog.finish_import(source, self.0.now()).await?)
    }
}

impl Repository<'_> {
    /// Makes the bytes of a file a blob of the repository, and does not change the file. The inner error is about the
    /// file: [`InvalidData`](io::ErrorKind::InvalidData) if its bytes have another digest.
    pub async fn adopt_blob(&self, digest: &Digest, file: &Path) -> Result<io::Result<Adopted>> {
        let inner = self.inner();
        while let Some(row) = inner.catalog.fetch(self.name, digest).await? {
            inner.forget_upload(row.id, None).await?;
        }
        let start = UploadStart {
            id: UploadId::random(),
            repository: self.name.clone(),
            algorithm: digest.algorithm(),
            digest: Some(*digest),
            fetch: true,
            now: inner.now(),
        };
        let owner = inner.storage.fence(start.id).owned_by(Row::FIRST_EPOCH);
        // The row comes before the file: a file without a row would never be found again.
        inner.catalog.start_upload(start).await?;
        let result = self.adopt(&owner, *digest, file).await;
        if !matches!(result, Ok(Ok(_))) {
            // If the catalog recorded the blob all the same, the upload has no row any more, and this does nothing.
            inner.forget_upload(owner.id(), Some(owner.epoch())).await?;
        }
        result
    }

    async fn adopt(&self, owner: &Owner, digest: Digest, file: &Path) -> Result<io::Result<Adopted>> {
        let (inner, provenance) = (self.inner(), self.provenance_of_writes());
        let adopted = match inner.storage.adopt_upload(owner, file).await? {
            Ok(adopted) => adopted,
            Err(error) => return Ok(Err(error)),
        };
        let size = adopted.size;
        match hash(&adopted.upload, digest.algorithm(), size).await? {
            Ok(actual) if actual == digest => {}
            Ok(actual) => {
                let what = format!("its bytes have digest {actual}");
                return Ok(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
            Err(error) => return Ok(Err(error)),
        }
        let making = Making { name: self.name, provenance: &provenance, owner, upload: &adopted.upload };
        inner.make_blob(making, digest, size, None).await?;
        Ok(Ok(Adopted { size, linked: adopted.linked }))
    }
}

async fn hash(upload: &Arc<dyn Upload>, algorithm: Algorithm, size: u64) -> Result<io::Result<Digest>> {
    let Some(file) = upload.file() else {
        return Ok(Ok(hash_again(&**upload, HashState::new(algorithm), size).await?.finish()));
    };
    let hashed = tokio::task::spawn_blocking(move || hash_file(&file, algorithm));
    hashed.await.map_err(|error| Error::Internal(format!("could not hash a file: {error}")))
}

fn hash_file(mut file: &File, algorithm: Algorithm) -> io::Result<Digest> {
    let (mut state, mut piece) = (HashState::new(algorithm), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(state.finish()),
            Ok(read) => state.update(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
