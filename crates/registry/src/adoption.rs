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
use hythe_storage::{Adopted as Linked, Owner, Upload};

use crate::commit::Making;
use crate::ingest::hash_again;
use crate::joined::joined;
use crate::{Inner, Registry, Repository, Result};

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
        let linked = match inner.storage.adoption() {
            Some(adoption) => adoption.adopt(owner, file).await?,
            None => None,
        };
        let is_linked = linked.is_some();
        let filled = match linked {
            Some(Linked { upload, size }) => {
                let hashed = hash(&upload, digest.algorithm(), size).await?;
                hashed.map(|actual| Filled { upload, size, actual })
            }
            None => inner.copy(owner, digest.algorithm(), file).await?,
        };
        let Filled { upload, size, actual } = match filled {
            Ok(filled) => filled,
            Err(error) => return Ok(Err(error)),
        };
        if actual != digest {
            let what = format!("its bytes have digest {actual}");
            return Ok(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let making = Making { name: self.name, provenance: &provenance, owner, upload: &upload };
        inner.make_blob(making, digest, size, None).await?;
        Ok(Ok(Adopted { size, linked: is_linked }))
    }
}

/// An upload that has all bytes of a file.
struct Filled {
    upload: Arc<dyn Upload>,
    size: u64,
    /// The digest of the bytes.
    actual: Digest,
}

impl Inner {
    /// Begins an upload with a copy of the file's bytes.
    async fn copy(&self, owner: &Owner, algorithm: Algorithm, file: &Path) -> Result<io::Result<Filled>> {
        let path = file.to_owned();
        let mut source = match blocking(move || Source::open(&path, algorithm)).await? {
            Ok(source) => source,
            Err(error) => return Ok(Err(error)),
        };
        let upload = self.opening(|| self.storage.open_upload(owner, 0)).await?;
        let mut size = 0;
        loop {
            let read = move || {
                let mut piece = Vec::with_capacity(PIECE);
                source.next(&mut piece).map(|()| (source, piece))
            };
            let piece;
            (source, piece) = match blocking(read).await? {
                Ok(read) => read,
                Err(error) => return Ok(Err(error)),
            };
            if piece.is_empty() {
                return Ok(Ok(Filled { upload, size, actual: source.hash.finish() }));
            }
            let offset = size;
            size += piece.len() as u64;
            upload.write(offset, vec![piece.into()]).await?;
        }
    }
}

async fn hash(upload: &Arc<dyn Upload>, algorithm: Algorithm, size: u64) -> Result<io::Result<Digest>> {
    let Some(file) = upload.file() else {
        return Ok(Ok(hash_again(&**upload, HashState::new(algorithm), size).await?.finish()));
    };
    blocking(move || {
        let (mut source, mut piece) = (Source { file, hash: HashState::new(algorithm) }, Vec::new());
        loop {
            source.next(&mut piece)?;
            if piece.is_empty() {
                return Ok(source.hash.finish());
            }
        }
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    joined(tokio::task::spawn_blocking(work)).await
}

/// A file that is read from its start to its end, and the hash of the bytes that were read.
struct Source {
    file: Arc<File>,
    hash: HashState,
}

impl Source {
    fn open(path: &Path, algorithm: Algorithm) -> io::Result<Self> {
        // The type is checked before the open: opening a pipe would wait for a process at its other end.
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self { file: Arc::new(File::open(path)?), hash: HashState::new(algorithm) })
    }

    /// Reads the next piece, which is empty at the end.
    fn next(&mut self, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.clear();
        (&*self.file).take(PIECE as u64).read_to_end(piece)?;
        self.hash.update(piece);
        Ok(())
    }
}
