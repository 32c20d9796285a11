//! The steps of a verification: compares the stored bytes with their digests, and takes damaged ones out of service.
//!
//! The crate `lifecycle` decides when to take which step. A push, a fetch or an import of the same bytes heals a blob
//! whose file is gone, so a damaged file is moved away.

use std::sync::Arc;

use bytes::Bytes;
use hythe_catalog::{BlobFile, Dependant, StoredManifest};
use hythe_oci::{Digest, HashState, Manifest as Parsed, RepositoryName};
use hythe_storage::{BlobKey, Content as Stored};
use tokio::task::spawn_blocking;

use crate::joined::joined;
use crate::{Origin, Registry, Result};

/// How many bytes of a blob are read at once.
const PIECE: usize = 1 << 20;

/// How many rows one read of the catalog lists.
const PAGE: usize = 256;

/// How many bytes of manifests one read of the catalog brings.
const MANIFESTS: usize = 1 << 20;

/// The most images that a damage names.
const IMAGES: usize = 100;

/// What is wrong with a blob or a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its bytes are not there.
    Missing,
    /// It has another size.
    Size {
        /// The size that it has, in bytes.
        found: u64,
    },
    /// Its bytes have another digest.
    Digest {
        /// The digest that they have.
        found: Digest,
    },
    /// Its bytes cannot be read. They may still be right, so they stay where they are.
    Unreadable {
        /// The error of the storage.
        reason: String,
    },
    /// It is damaged, and the storage could not take it out of service.
    InService {
        /// What is wrong with it.
        flaw: Box<Flaw>,
        /// The error of the storage.
        reason: String,
    },
    /// It is a manifest that references blobs that its repository does not have.
    Lacks {
        /// These blobs.
        blobs: Vec<Digest>,
    },
}

/// What a flaw was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A blob.
    Blob,
    /// A manifest of a repository.
    Manifest,
}

/// A blob or a manifest that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Whether it is a blob or a manifest.
    pub kind: Kind,
    /// The digest that it should have.
    pub digest: Digest,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// The images that cannot be pulled as a whole because of it: at most a hundred.
    pub images: Vec<Dependant>,
}

/// What one step verified.
#[derive(Clone, Debug)]
pub struct Verified<C> {
    /// How many blobs or manifests it verified.
    pub count: u64,
    /// The size of these together, in bytes.
    pub bytes: u64,
    /// What was wrong.
    pub damages: Vec<Damage>,
    /// Where the next step begins; `None` if this was the last one.
    pub next: Option<C>,
}

impl<C> Default for Verified<C> {
    fn default() -> Self {
        Self { count: 0, bytes: 0, damages: Vec::new(), next: None }
    }
}

impl Registry {
    /// Verifies blobs in the order of their digests, from the first past `after`: as many as have about `budget` bytes
    /// together. A damaged blob is in quarantine afterwards, and is served no more.
    pub async fn verify_blobs(&self, after: Option<Digest>, budget: u64) -> Result<Verified<Digest>> {
        let (mut verified, mut after) = (Verified::default(), after);
        loop {
            let files = self.0.catalog.live_files(after.as_ref(), PAGE).await?;
            let is_last = files.len() < PAGE;
            for file in files {
                after = Some(file.digest);
                let flaw = self.examine(&file).await?;
                verified.count += 1;
                verified.bytes += file.size;
                if let Some(flaw) = flaw {
                    let images = self.0.catalog.dependants(&file.digest, IMAGES).await?;
                    verified.damages.push(Damage { kind: Kind::Blob, digest: file.digest, flaw, images });
                }
                if verified.bytes >= budget {
                    verified.next = after;
                    return Ok(verified);
                }
            }
            if is_last {
                return Ok(verified);
            }
        }
    }

    /// What is wrong with the file of a blob. `None` also if the blob was removed or replaced meanwhile.
    async fn examine(&self, file: &BlobFile) -> Result<Option<Flaw>> {
        let key = BlobKey { digest: file.digest, generation: file.generation };
        // A second look: one wrong read, of a cable or of memory, must not take a whole blob out of service.
        let mut flaw = self.look_at(&key, file.size).await;
        if matches!(flaw, Some(Flaw::Digest { .. })) {
            flaw = self.look_at(&key, file.size).await;
        }
        let Some(mut flaw) = flaw else { return Ok(None) };
        // The blob may have been removed, or a push may have replaced it.
        let live = self.0.catalog.live_file(&file.digest).await?;
        if live.is_none_or(|live| live.generation != file.generation) {
            return Ok(None);
        }
        if matches!(flaw, Flaw::Size { .. } | Flaw::Digest { .. })
            && let Err(error) = self.0.storage.quarantine_blob(&key).await
        {
            flaw = Flaw::InService { flaw: Box::new(flaw), reason: error.to_string() };
        }
        tracing::error!(digest = %file.digest, generation = %file.generation, ?flaw,
            "verification found a damaged blob; push it again, or fetch it again from its upstream");
        Ok(Some(flaw))
    }

    /// What is wrong with the stored bytes of a blob of this size.
    async fn look_at(&self, key: &BlobKey, size: u64) -> Option<Flaw> {
        let unreadable = |reason: String| Some(Flaw::Unreadable { reason });
        match self.0.storage.open_blob(key).await {
            Ok(None) => Some(Flaw::Missing),
            Ok(Some(content)) if content.size() != size => Some(Flaw::Size { found: content.size() }),
            Ok(Some(content)) => match hash(content, &key.digest).await {
                Ok(found) if found == key.digest => None,
                Ok(found) => Some(Flaw::Digest { found }),
                Err(error) => unreadable(error.to_string()),
            },
            Err(error) => unreadable(error.to_string()),
        }
    }

    /// Verifies manifests in the order of their rows, from the first past `after`: some hundred at most. A damaged manifest
    /// of a copy is removed, so that it is fetched again.
    pub async fn verify_manifests(&self, after: i64) -> Result<Verified<i64>> {
        let catalog = &self.0.catalog;
        let manifests = catalog.stored_manifests(after, MANIFESTS).await?;
        let mut verified = Verified { next: manifests.last().map(|last| last.id), ..Verified::default() };
        for StoredManifest { id, repository, digest, bytes } in manifests {
            verified.count += 1;
            verified.bytes += bytes.len() as u64;
            let provenance = catalog.provenance(&repository).await?;
            let is_local = provenance.is_none_or(|provenance| provenance.origin == Origin::Local);
            let found = Digest::of(digest.algorithm(), &bytes);
            let flaw = if found != digest {
                Some(Flaw::Digest { found })
            } else if is_local {
                self.lacking(&repository, &bytes).await?
            } else {
                None
            };
            if let Some(flaw) = flaw {
                let images = catalog.images_of(id, IMAGES).await?;
                // The manifest was deleted meanwhile, and its blobs collected.
                if images.is_empty() {
                    continue;
                }
                if matches!(flaw, Flaw::Digest { .. }) {
                    self.0.manifests.remove(&digest);
                    if !is_local {
                        catalog.delete_manifest(&repository, &digest).await?;
                    }
                    tracing::error!(%repository, %digest,
                        "verification found a damaged manifest; it is served no more until it is pushed or fetched again");
                }
                verified.damages.push(Damage { kind: Kind::Manifest, digest, flaw, images });
            }
            tokio::task::yield_now().await;
        }
        Ok(verified)
    }

    /// The blobs that a manifest of this registry's own references and that its repository does not have. A copy has
    /// only those of its blobs that clients pulled.
    async fn lacking(&self, repository: &RepositoryName, bytes: &Bytes) -> Result<Option<Flaw>> {
        let Ok(parsed) = Parsed::read(None, bytes) else { return Ok(None) };
        let mut blobs = Vec::new();
        for blob in parsed.blobs {
            if self.0.catalog.blob(repository, &blob).await?.is_none() {
                blobs.push(blob);
            }
        }
        Ok((!blobs.is_empty()).then_some(Flaw::Lacks { blobs }))
    }
}

/// The digest of the bytes, hashed on a blocking thread while pushes and pulls go on.
pub(crate) async fn hash(content: Arc<dyn Stored>, digest: &Digest) -> Result<Digest> {
    let (mut state, mut at, size) = (HashState::new(digest.algorithm()), 0, content.size());
    while at < size {
        let length = PIECE.min(usize::try_from(size - at).unwrap_or(PIECE));
        let piece = content.read(at, length).await?;
        at += length as u64;
        state = joined(spawn_blocking(move || {
            state.update(&piece);
            state
        }))
        .await?;
    }
    Ok(state.finish())
}
