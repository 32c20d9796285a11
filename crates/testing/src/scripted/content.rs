//! The content of a scripted upstream.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, Query, Reference};
use serde_json::{Value, json};

use crate::Manifest;

#[derive(Debug, Default)]
pub(super) struct Content {
    repositories: BTreeMap<String, Repository>,
}

#[derive(Debug, Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    manifests: BTreeMap<Digest, Stored>,
    blobs: HashMap<Digest, Arc<[u8]>>,
}

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) media_type: String,
    pub(super) bytes: Arc<[u8]>,
}

/// A page of tags, and whether it is the last one.
pub(super) struct Page {
    pub(super) tags: Vec<String>,
    pub(super) is_last: bool,
}

impl Content {
    fn make(&mut self, repository: &str) -> &mut Repository {
        self.repositories.entry(repository.to_owned()).or_default()
    }

    pub(super) fn push(&mut self, repository: &str, reference: &Reference, manifest: &Manifest) {
        for blob in &manifest.blobs {
            let digest = Digest::of(manifest.algorithm, blob);
            self.push_blob(repository, digest, blob.as_slice().into());
        }
        for listed in &manifest.manifests {
            self.push(repository, &Reference::Digest(listed.digest()), listed);
        }
        self.push_manifest(repository, reference, &manifest.media_type, &manifest.bytes);
    }

    /// With a digest as reference, the manifest is stored under that digest even if it is wrong: a test may need an
    /// upstream that lies.
    pub(super) fn push_manifest(
        &mut self,
        repository: &str,
        reference: &Reference,
        kind: &str,
        bytes: &[u8],
    ) {
        let repository = self.make(repository);
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(tag) => {
                let digest = Digest::of(Algorithm::Sha256, bytes);
                repository.tags.insert(tag.to_string(), digest);
                digest
            }
        };
        repository.manifests.insert(digest, Stored { media_type: kind.to_owned(), bytes: bytes.into() });
    }

    pub(super) fn push_blob(&mut self, repository: &str, digest: Digest, content: Arc<[u8]>) {
        self.make(repository).blobs.insert(digest, content);
    }

    pub(super) fn untag(&mut self, repository: &str, tag: &str) {
        self.make(repository).tags.remove(tag);
    }

    pub(super) fn remove(&mut self, repository: &str, digest: Digest) {
        let repository = self.make(repository);
        repository.manifests.remove(&digest);
        repository.blobs.remove(&digest);
        repository.tags.retain(|_, tagged| *tagged != digest);
    }

    pub(super) fn manifest(&self, repository: &str, reference: &Reference) -> Option<(Digest, Stored)> {
        let repository = self.repositories.get(repository)?;
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) => repository.tags.get(tag.as_str())?,
        };
        Some((*digest, repository.manifests.get(digest)?.clone()))
    }

    pub(super) fn blob(&self, repository: &str, digest: Digest) -> Option<Arc<[u8]>> {
        self.repositories.get(repository)?.blobs.get(&digest).cloned()
    }

    /// A blob of any repository, by its hash alone.
    pub(super) fn blob_by_hex(&self, hex: &str) -> Option<(Digest, Arc<[u8]>)> {
        let mut blobs = self.repositories.values().flat_map(|repository| &repository.blobs);
        blobs.find(|(digest, _)| digest.hex() == hex).map(|(digest, content)| (*digest, content.clone()))
    }

    /// A page of tags; `None` if the repository does not exist.
    pub(super) fn tags(&self, repository: &str, query: &Query<'_>) -> Option<Page> {
        let repository = self.repositories.get(repository)?;
        let last = query.first("last");
        let wanted = query.first("n").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
        let mut rest =
            repository.tags.keys().filter(|tag| last.as_ref().is_none_or(|last| tag[..] > last[..]));
        let tags: Vec<_> = rest.by_ref().take(wanted).cloned().collect();
        Some(Page { tags, is_last: rest.next().is_none() })
    }

    /// Descriptors of the manifests that have this subject.
    pub(super) fn referrers(&self, repository: &str, subject: Digest) -> Vec<Value> {
        let manifests = self.repositories.get(repository).into_iter().flat_map(|found| &found.manifests);
        let descriptors = manifests.filter_map(|(digest, stored)| {
            let manifest = hythe_oci::Manifest::parse(Some(&stored.media_type), &stored.bytes).ok()?;
            (manifest.subject == Some(subject)).then(|| {
                let mut descriptor = json!({
                    "mediaType": stored.media_type, "digest": digest, "size": stored.bytes.len(),
                });
                if let Some(kind) = manifest.artifact_type {
                    descriptor["artifactType"] = kind.into();
                }
                if let Some(annotations) = manifest.annotations {
                    descriptor["annotations"] = json!(annotations);
                }
                descriptor
            })
        });
        descriptors.collect()
    }
}
