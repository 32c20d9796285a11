//! Makes the folder of a registry from a backup.
//!
//! The blobs come first, and the catalog last, under its name only when it is complete. What a kill leaves is continued by
//! the next run: it hashes the blobs that are here, and skips those that are whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_oci::{Digest, HashState, RepositoryName, UploadId};
use hythe_registry::{Rebuilding, Rebuilt, Record};
use hythe_storage::{BlobKey, Storage};

use crate::destination::Inventory;
use crate::{Destination, Error, PIECE, Progress, Records, Result, Time, blocking};

/// The epoch of an upload's first owner.
const FIRST: i64 = 1;

/// How many manifests are read at once.
const AHEAD: usize = 16;

/// The most blobs that the result names.
const NAMED: usize = 100;

/// A restore into a storage that no server uses.
pub struct Restore<'a> {
    /// The folder of the backups.
    pub destination: &'a Destination,
    /// The snapshot.
    pub time: Time,
    /// The storage.
    pub storage: &'a Arc<dyn Storage>,
    /// How many blobs are copied at the same time.
    pub jobs: usize,
    /// How far the restore is.
    pub progress: &'a Progress,
}

/// What a restore brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The new catalog.
    pub rebuilt: Rebuilt,
    /// Blobs that were copied; the others were here from an interrupted run.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Blobs and manifests that the backup has lost, or with wrong bytes; at most a hundred.
    pub bad: Vec<Digest>,
}

impl Restore<'_> {
    /// Restores the repositories that `chooses` into the storage, and builds their catalog in the file at `catalog`, which
    /// is complete when this returns.
    pub async fn run(
        &self,
        catalog: &Path,
        chooses: impl Fn(&RepositoryName) -> bool + Send + Sync,
    ) -> Result<Restored> {
        self.clear_uploads().await?;
        let (wanted, mut bad) = self.wanted(&chooses).await?;
        self.progress.begin(wanted.len() as u64, wanted.values().sum());
        let copies = stream::iter(&wanted).map(|(digest, size)| async move {
            let copied = self.blob(*digest).await?;
            Ok::<_, Error>((*digest, *size, copied))
        });
        let found: Vec<_> = copies.buffer_unordered(self.jobs.max(1)).try_collect().await?;
        let (mut count, mut bytes) = (0, 0);
        for (digest, size, is_copied) in found {
            if is_copied {
                count += 1;
                bytes += size;
            } else {
                bad.push(digest);
            }
        }
        let rebuilt = self.build(catalog, &chooses, &mut bad).await?;
        bad.sort_unstable();
        bad.dedup();
        bad.truncate(NAMED);
        Ok(Restored { rebuilt, copied: count, copied_bytes: bytes, bad })
    }

    /// Removes the uploads that an interrupted run left.
    async fn clear_uploads(&self) -> Result<()> {
        if let Some(listing) = self.storage.listing() {
            for id in listing.uploads().await? {
                self.storage.remove_upload(id).await?;
            }
        }
        Ok(())
    }

    /// The blobs to copy, with their sizes, and those that the backup has lost.
    async fn wanted(
        &self,
        chooses: &(impl Fn(&RepositoryName) -> bool + Sync),
    ) -> Result<(BTreeMap<Digest, u64>, Vec<Digest>)> {
        let mut here = HashMap::new();
        if let Some(list) = self.storage.blobs() {
            for first in 0..=u8::MAX {
                here.extend(list.blobs(first).await?.into_iter().map(|blob| (blob.key.digest, blob)));
            }
        }
        let (mut wanted, mut lost, mut seen) = (BTreeMap::new(), HashSet::new(), HashSet::new());
        let held = self.held().await?;
        for record in self.records().await? {
            if let Record::Link { repository, digest, size } = record?
                && chooses(&repository)
                && !wanted.contains_key(&digest)
                && seen.insert(digest)
            {
                if let Some(blob) = here.get(&digest).filter(|blob| blob.size == size)
                    && self.is_whole(&blob.key).await?
                {
                    continue;
                }
                match held.size_of(&digest)? {
                    Some(found) if found == size => {
                        wanted.insert(digest, size);
                    }
                    _ => {
                        lost.insert(digest);
                    }
                }
            }
        }
        Ok((wanted, lost.into_iter().collect()))
    }

    async fn records(&self) -> Result<Records> {
        let (destination, time) = (self.destination.clone(), self.time);
        blocking(move || Records::open(&destination, time)).await
    }

    /// The blobs that the backup has.
    async fn held(&self) -> Result<Inventory> {
        let destination = self.destination.clone();
        blocking(move || destination.inventory()).await
    }

    /// Whether a blob that is here has its bytes. A disk may have changed them, which can be the reason for the restore.
    async fn is_whole(&self, key: &BlobKey) -> Result<bool> {
        let Some(content) = self.storage.open_blob(key).await? else { return Ok(false) };
        let (mut state, mut at) = (HashState::new(key.digest.algorithm()), 0);
        while at < content.size() {
            let length = PIECE.min(usize::try_from(content.size() - at).unwrap_or(PIECE));
            let piece = content.read(at, length).await?;
            at += length as u64;
            state.update(&piece);
        }
        Ok(state.finish() == key.digest)
    }

    /// Copies a blob into the storage, durably. False if its bytes are wrong.
    async fn blob(&self, digest: Digest) -> Result<bool> {
        let id = UploadId::random();
        let owner = self.storage.fence(id).owned_by(FIRST);
        let destination = self.destination.clone();
        let mut file = blocking(move || destination.open_blob(&digest)).await?;
        let upload = self.storage.open_upload(&owner, 0).await?;
        let (mut offset, mut hash) = (0, HashState::new(digest.algorithm()));
        loop {
            let root = self.destination.path().to_owned();
            let read = blocking(move || {
                let mut piece = Vec::with_capacity(PIECE);
                let read = file.by_ref().take(PIECE as u64).read_to_end(&mut piece);
                read.map_err(Error::file("read a blob in", &root))?;
                hash.update(&piece);
                Ok((file, hash, Bytes::from(piece)))
            });
            let piece;
            (file, hash, piece) = read.await?;
            if piece.is_empty() {
                break;
            }
            let length = piece.len() as u64;
            upload.write(offset, vec![piece]).await?;
            offset += length;
            self.progress.add_bytes(length);
        }
        if hash.finish() != digest {
            drop(upload);
            self.storage.remove_upload(id).await?;
            return Ok(false);
        }
        upload.sync().await?;
        drop(upload);
        self.storage.publish(&owner, &digest).await?;
        self.storage.finish_upload(&BlobKey { digest, generation: id }).await?;
        self.progress.add_blob();
        Ok(true)
    }

    /// The record with its bytes, if it is a manifest's. The inner error is the digest of one that the backup has lost.
    async fn load(&self, record: Result<Record>) -> Result<Result<Record, Digest>> {
        let mut record = record?;
        if let Record::Manifest { digest, bytes, .. } = &mut record {
            let (destination, digest) = (self.destination.clone(), *digest);
            match blocking(move || destination.read_small(&digest)).await {
                Ok(read) => *bytes = read.into(),
                Err(error) => {
                    tracing::warn!(%digest, %error, "a manifest is lost from the backup");
                    return Ok(Err(digest));
                }
            }
        }
        Ok(Ok(record))
    }

    async fn build(
        &self,
        catalog: &Path,
        chooses: &impl Fn(&RepositoryName) -> bool,
        bad: &mut Vec<Digest>,
    ) -> Result<Rebuilt> {
        let now = Time::now().system();
        let mut rebuilding = Rebuilding::begin(&**self.storage, catalog, now).await?;
        let chosen = |record: &Record| match record {
            Record::Repository { name: repository, .. }
            | Record::Manifest { repository, .. }
            | Record::Link { repository, .. }
            | Record::Tag { repository, .. }
            | Record::ManifestDeleted { repository, .. }
            | Record::LinkDeleted { repository, .. }
            | Record::TagDeleted { repository, .. } => chooses(repository),
            Record::Import { .. } => true,
        };
        let records =
            self.records().await?.filter(|record| !record.as_ref().is_ok_and(|record| !chosen(record)));
        let mut loaded = stream::iter(records).map(|record| self.load(record)).buffered(AHEAD);
        while let Some(loaded) = loaded.next().await {
            match loaded? {
                Ok(record) => rebuilding.apply(record)?,
                Err(lost) => bad.push(lost),
            }
        }
        drop(loaded);
        for unusable in rebuilding.unusable() {
            tracing::warn!(repository = %unusable.repository, digest = %unusable.digest, reason = unusable.reason, "a manifest of the backup is damaged");
            bad.push(unusable.digest);
        }
        Ok(rebuilding.finish(false)?)
    }
}
