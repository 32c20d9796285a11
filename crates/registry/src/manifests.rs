//! Manifests and tags as a repository sees them.

use bytes::Bytes;
use hythe_catalog::{
    Cause, Deletion, ManifestDeleted, ManifestHead, ManifestPush, ManifestPushed, Origin, Provenance, Pull,
    Times,
};
use hythe_oci::{Algorithm, Digest, Manifest as Parsed, ManifestError, Reference, RepositoryName, Tag};
use tokio::task::spawn_blocking;

use crate::joined::joined;
use crate::pulls::{Pulls, is_due};
use crate::{Error, Repository, Result, evict};

/// The size, in bytes, above which a manifest is hashed and parsed on a blocking thread. That takes milliseconds, for
/// which other requests must not wait.
const LARGE: usize = 64 << 10;

/// The properties of a manifest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The digest.
    pub digest: Digest,
    /// The media type with which the manifest was pushed.
    pub media_type: String,
    /// The length in bytes.
    pub size: u64,
    /// When the manifest was pushed, used and pulled.
    pub times: Times,
}

impl From<ManifestHead> for Manifest {
    fn from(head: ManifestHead) -> Self {
        Self { digest: head.digest, media_type: head.media_type, size: head.size, times: head.times }
    }
}

/// The result of a manifest push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedManifest {
    /// The manifest's digest, by the algorithm that the client used in its reference.
    pub digest: Digest,
    /// The manifest's subject, if it has one.
    pub subject: Option<Digest>,
    /// Blobs that the manifest references and that the repository does not have (yet).
    pub missing: Vec<Digest>,
}

impl Repository<'_> {
    /// The manifest that a tag or digest names now.
    pub async fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        self.head(reference).await.map(Manifest::from)
    }

    /// Like [`manifest`](Self::manifest), for a client that may be about to push an index of this manifest. The
    /// manifest counts as used now, so that garbage collection waits for that index as it does after a push. In a
    /// copy nothing is recorded, because no client pushes an index into a copy.
    pub async fn use_manifest(&self, reference: &Reference) -> Result<Manifest> {
        let head = self.head(reference).await?;
        if *self.origin == Origin::Local
            && let Some(now) = self.renewed(head.times.last_use)
        {
            match self.inner().catalog.touch_manifest(self.name, &head.digest, now).await {
                Ok(true) => {}
                Ok(false) => return Err(self.manifest_unknown(reference.clone())),
                // A client that only pulls is served all the same, also on a full disk.
                Err(error) => {
                    tracing::warn!(repository = %self.name, digest = %head.digest, %error,
                        "could not record the manifest's last use");
                }
            }
        }
        Ok(head.into())
    }

    /// Records that a client pulled `manifest`, which was just found: its bytes (`of_bytes`), or only the digest of a tag, for
    /// which clients ask by HEAD before they pull by digest. The response does not wait for the write. Each manifest and each
    /// tag is recorded at most once in a quarter of a day. Further pulls from a copy stay in memory until an eviction needs
    /// their order.
    pub fn record_pull(&self, reference: &Reference, manifest: &Manifest, of_bytes: bool) {
        let (now, times) = (self.inner().now(), &manifest.times);
        let is_tag = matches!(reference, Reference::Tag(_));
        let is_due = (is_tag && is_due(times.tag_pulled, now)) || (of_bytes && is_due(times.pulled, now));
        let is_copy = *self.origin != Origin::Local;
        if !is_due && !is_copy {
            return;
        }
        let (repository, reference) = (self.name.clone(), reference.clone());
        let pull = Pull { repository, reference, of_bytes, at: now };
        let pulls = &self.inner().pulls;
        if is_due {
            Pulls::record(pulls, &self.inner().catalog, pull);
        } else if let Some(kept) = pulls.keep(pull) {
            let catalog = self.inner().catalog.clone();
            tokio::spawn(async move { evict::write_pulls(&catalog, kept).await });
        }
    }

    async fn head(&self, reference: &Reference) -> Result<ManifestHead> {
        let head = self.inner().catalog.manifest(self.name, reference).await?;
        head.ok_or_else(|| self.manifest_unknown(reference.clone()))
    }

    /// The exact bytes of a manifest that this repository holds.
    pub async fn manifest_bytes(&self, manifest: &Manifest) -> Result<Bytes> {
        let (inner, digest) = (self.inner(), &manifest.digest);
        if let Some(bytes) = inner.manifests.get(digest) {
            return Ok(bytes);
        }
        let bytes = inner.catalog.manifest_bytes(self.name, digest).await?;
        let bytes = bytes.ok_or_else(|| self.manifest_unknown(Reference::Digest(*digest)))?;
        // Once for each manifest that comes into memory: the disk may have changed a byte.
        if Digest::of(digest.algorithm(), &bytes) != *digest {
            return Err(Error::Internal(format!(
                "the stored bytes of manifest {digest} in repository `{}` are damaged, so they are not served; push the manifest \
                 again",
                self.name
            )));
        }
        inner.manifests.insert(*digest, bytes.clone());
        Ok(bytes)
    }

    /// Removes a tag and keeps its manifest, even if deletion is switched off: for a copy whose upstream removed the
    /// tag.
    pub async fn untag(&self, tag: &Tag) -> Result<bool> {
        self.delete(&Reference::Tag(tag.clone()), Cause::Client).await
    }

    /// Stores a manifest under `reference` and `tags`. The manifests of an index and the subject need not exist; a
    /// setting says whether the blobs must exist (distribution-spec, Pushing manifests).
    pub async fn push_manifest(
        &self,
        reference: &Reference,
        mut tags: Vec<Tag>,
        content_type: Option<&str>,
        bytes: Bytes,
    ) -> Result<PushedManifest> {
        let limit = self.registry.options().manifest_max_size;
        if bytes.len() > limit {
            return Err(Error::ManifestTooLarge { limit });
        }
        let expected = match reference {
            Reference::Tag(tag) => {
                tags.push(tag.clone());
                None
            }
            Reference::Digest(digest) => Some(*digest),
        };
        let is_local = *self.origin == Origin::Local;
        // A copied manifest is read leniently: its publisher would not see an error, and its readers accept its
        // oddities.
        let read = if is_local { Parsed::parse } else { Parsed::read };
        let (digest, parsed) = if bytes.len() > LARGE {
            let (bytes, content_type) = (bytes.clone(), content_type.map(str::to_owned));
            let examining = move || examine(&bytes, expected, |bytes| read(content_type.as_deref(), bytes));
            joined(spawn_blocking(examining)).await??
        } else {
            examine(&bytes, expected, |bytes| read(content_type, bytes))?
        };
        let subject = parsed.subject;
        let protected = if is_local {
            let options = self.registry.options();
            let stays = |tag: &&Tag| !self.retag || options.protection(self.name, tag).is_some();
            tags.iter().filter(stays).cloned().collect()
        } else {
            Vec::new()
        };
        let now = self.inner().now();
        let push = ManifestPush {
            tags,
            // The blobs of a copy are fetched when a client pulls them.
            require_blobs: is_local && self.registry.options().manifest_require_blobs,
            protected,
            tagged: self.tagged.unwrap_or(now),
            ..row(parsed, self.name.clone(), self.provenance_of_writes(), digest, bytes, now)
        };
        match self.inner().catalog.push_manifest(push).await? {
            ManifestPushed::Stored { missing } => {
                if is_local && !missing.is_empty() {
                    tracing::warn!(repository = %self.name, %digest, missing = missing.len(), first = %missing[0],
                        "the pushed manifest references blobs that the repository does not have; push them, or pulls of it fail");
                }
                Ok(PushedManifest { digest, subject, missing })
            }
            ManifestPushed::BlobsUnknown(digests) => {
                Err(Error::ManifestBlobsUnknown { repository: self.name.clone(), digests })
            }
            ManifestPushed::TagProtected(tag)
                if !self.retag && self.registry.options().protection(self.name, &tag).is_none() =>
            {
                Err(Error::TagTaken { repository: self.name.clone(), tag })
            }
            ManifestPushed::TagProtected(tag) => {
                Err(self.tag_protected(tag, "it cannot be moved to another manifest"))
            }
        }
    }

    /// Deletes a tag, or a manifest with all its tags, for a client. They can be restored, unless the repository is a copy.
    pub async fn delete_manifest(&self, reference: &Reference) -> Result<()> {
        let inner = self.inner();
        inner.check_delete()?;
        let deleted = match reference {
            Reference::Tag(tag) => {
                let is_protected = self.registry.options().protection(self.name, tag).is_some();
                if is_protected && inner.catalog.manifest(self.name, reference).await?.is_some() {
                    return Err(self.tag_protected(tag.clone(), "it cannot be deleted"));
                }
                self.delete(reference, Cause::Client).await?
            }
            Reference::Digest(digest) => {
                let deletion = Deletion { at: inner.now(), cause: Cause::Client };
                let protects = inner.options.load_full().protects(self.name);
                match inner.catalog.withdraw_manifest_unless(self.name, digest, deletion, &protects).await? {
                    ManifestDeleted::Deleted => true,
                    ManifestDeleted::Unknown => false,
                    ManifestDeleted::Protected(tag) => {
                        let refused = "the manifest, which it needs, cannot be deleted";
                        return Err(self.tag_protected(tag, refused));
                    }
                }
            }
        };
        if deleted { Ok(()) } else { Err(self.manifest_unknown(reference.clone())) }
    }

    pub(crate) fn tag_protected(&self, tag: Tag, refused: &'static str) -> Error {
        // A reload may have removed the rule since it was applied.
        let rule = self
            .registry
            .options()
            .protection(self.name, &tag)
            .unwrap_or("that applied until now")
            .to_owned();
        Error::TagProtected { repository: self.name.clone(), tag, rule, refused }
    }

    fn manifest_unknown(&self, reference: Reference) -> Error {
        Error::ManifestUnknown { repository: self.name.clone(), reference }
    }
}

/// The manifest as the catalog stores it: under no tag, whether or not its blobs are there.
pub(crate) fn row(
    parsed: Parsed,
    repository: RepositoryName,
    provenance: Provenance,
    digest: Digest,
    bytes: Bytes,
    now: i64,
) -> ManifestPush {
    let Parsed { media_type, artifact_type, annotations, subject, blobs, .. } = parsed;
    // Optional blobs are stored as references, so that garbage collection keeps them while the manifest lists them.
    let mut manifests = parsed.manifests;
    manifests.extend(parsed.optional_blobs);
    let annotations = annotations.map(|annotations| {
        // A map of strings is always JSON.
        serde_json::to_string(&annotations).unwrap_or_default()
    });
    ManifestPush {
        repository,
        origin: provenance.origin,
        private: provenance.private,
        digest,
        media_type,
        bytes,
        artifact_type,
        annotations,
        subject,
        blobs,
        require_blobs: false,
        manifests,
        tags: Vec::new(),
        protected: Vec::new(),
        tagged: now,
        now,
    }
}

/// Hashes and reads a manifest. Fails if `expected` is given and the manifest has another digest.
fn examine(
    bytes: &[u8],
    expected: Option<Digest>,
    read: impl FnOnce(&[u8]) -> Result<Parsed, ManifestError>,
) -> Result<(Digest, Parsed)> {
    let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
    let actual = Digest::of(algorithm, bytes);
    match expected {
        Some(expected) if expected != actual => Err(Error::DigestMismatch { expected, actual }),
        _ => Ok((actual, read(bytes)?)),
    }
}
