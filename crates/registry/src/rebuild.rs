//! Builds a new catalog from records and from the blobs that the storage has, for a registry that lost its own.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use hythe_catalog::{BlobFile, DamagedLine, Rebuild, Rebuilt, Record};
use hythe_oci::{Digest, Manifest as Parsed, RepositoryName};
use hythe_storage::{BlobKey, ListBlobs, Storage};

use crate::clock::stamp;
use crate::manifests::row;
use crate::verify::hash;
use crate::{Error, Provenance, Result};

/// A record of a manifest that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The repository.
    pub repository: RepositoryName,
    /// The manifest.
    pub digest: Digest,
    /// What is wrong with it.
    pub reason: String,
}

/// A catalog in the making.
pub struct Rebuilding {
    build: Rebuild,
    /// Manifests that cannot be stored, at most a thousand.
    unusable: Vec<Unusable>,
}

/// The most manifests that [`Rebuilding::unusable`] names.
const NAMED: usize = 1000;

impl Rebuilding {
    /// Begins a catalog in the file at `path`, and adds all files of blobs that the storage has. A digest may have several
    /// files if a push was interrupted: then their bytes are read, and one whose bytes are right is chosen.
    pub async fn begin(storage: &dyn Storage, path: &Path, now: SystemTime) -> Result<Self> {
        let build = Rebuild::create(path, stamp(now)).map_err(|error| Error::Internal(error.to_string()))?;
        let mut rebuilding = Self { build, unusable: Vec::new() };
        let Some(list) = storage.blobs() else {
            return Err(Error::Internal("this storage cannot list its blobs".to_owned()));
        };
        for first in 0..=u8::MAX {
            rebuilding.add_files(storage, list, first).await?;
        }
        Ok(rebuilding)
    }

    async fn add_files(&mut self, storage: &dyn Storage, list: &dyn ListBlobs, first: u8) -> Result<()> {
        let blobs = list.blobs(first).await?;
        for files in blobs.chunk_by(|a, b| a.key.digest == b.key.digest) {
            let mut chosen = files.first();
            for file in files.iter().filter(|_| files.len() > 1) {
                if has_its_digest(storage, &file.key).await? {
                    chosen = Some(file);
                    break;
                }
            }
            if let Some(file) = chosen {
                let BlobKey { digest, generation } = file.key;
                self.build.add_file(&BlobFile { digest, generation, size: file.size })?;
            }
        }
        Ok(())
    }

    /// Applies one record. Blocking.
    pub fn apply(&mut self, record: Record) -> Result<()> {
        let Record::Manifest { repository, origin, private, digest, media_type, pushed, bytes } = record
        else {
            return Ok(self.build.apply(&record)?);
        };
        let mut refuse = |reason: String| {
            if self.unusable.len() < NAMED {
                self.unusable.push(Unusable { repository: repository.clone(), digest, reason });
            }
        };
        let found = Digest::of(digest.algorithm(), &bytes);
        if found != digest {
            refuse(format!("its bytes have digest {found}"));
            return Ok(());
        }
        // It was parsed when it was pushed, with the care that its origin needs. This reading accepts both.
        let parsed = match Parsed::read(Some(&media_type), &bytes) {
            Ok(parsed) => Parsed { media_type, ..parsed },
            Err(error) => {
                refuse(error.to_string());
                return Ok(());
            }
        };
        let push = row(parsed, repository, Provenance { origin, private }, digest, bytes, pushed);
        Ok(self.build.store(&push)?)
    }

    /// Applies the records of `lines`, and tells `damaged` of each damaged line. Returns how many lines there were. Blocking.
    pub fn apply_all(
        &mut self,
        lines: impl Iterator<Item = io::Result<Result<Record, DamagedLine>>>,
        mut damaged: impl FnMut(DamagedLine),
    ) -> Result<u64> {
        let mut count = 0;
        for line in lines {
            count += 1;
            match line.map_err(|error| Error::Internal(format!("cannot read records: {error}")))? {
                Ok(record) => self.apply(record)?,
                Err(line) => damaged(line),
            }
        }
        Ok(count)
    }

    /// The manifests that could not be stored, at most a thousand.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// Ends the build: the catalog is on the disk then. With `heal`, some records are known to be lost: a pushed manifest
    /// also gets those of its blobs that have a file, unless only private repositories have them. Blocking.
    pub fn finish(self, heal: bool) -> Result<Rebuilt> {
        Ok(self.build.finish(heal)?)
    }
}

async fn has_its_digest(storage: &dyn Storage, key: &BlobKey) -> Result<bool> {
    match storage.open_blob(key).await? {
        // Bytes that cannot be read are as bad as wrong ones.
        Some(content) => Ok(hash(content, &key.digest).await.is_ok_and(|found| found == key.digest)),
        None => Ok(false),
    }
}
