//! The places that tests copy between, and what they contain.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hythe_client::{Client, ClientOptions};
use hythe_oci::{Platform, Reference, Tag};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, TestRegistry};
use hythe_transfer::{
    ArchiveSource, ArchiveTarget, Copied, Layout, Plan, Remote, Result, Source, Target, Watch, copy,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// A place to copy to and then from.
pub(crate) enum TestPlace {
    Registry(Box<TestRegistry>),
    Layout(PathBuf),
    Archive(PathBuf),
}

pub(crate) fn remote(endpoint: &str, repository: &str) -> Remote {
    let client = Client::new(ClientOptions::new(endpoint)).unwrap();
    Remote::new(client, repository.parse().unwrap(), format!("{endpoint}/{repository}"))
}

impl TestPlace {
    /// One of each kind.
    pub(crate) fn all(folder: &TempDir) -> [Self; 3] {
        [
            Self::Registry(Box::new(TestRegistry::start())),
            Self::Layout(folder.path().join("layout")),
            Self::Archive(folder.path().join("images.tar")),
        ]
    }

    pub(crate) fn source(&self, repository: &str) -> Arc<dyn Source> {
        match self {
            Self::Registry(registry) => Arc::new(remote(&endpoint(registry), repository)),
            Self::Layout(folder) => Arc::new(Layout::open(folder).unwrap()),
            Self::Archive(file) => Arc::new(ArchiveSource::open(file).unwrap()),
        }
    }

    pub(crate) fn target(&self, repository: &str) -> Box<dyn Target> {
        match self {
            Self::Registry(registry) => Box::new(remote(&endpoint(registry), repository)),
            Self::Layout(folder) => Box::new(Layout::create(folder).unwrap()),
            Self::Archive(file) => Box::new(ArchiveTarget::create(file, Some("app".to_owned())).unwrap()),
        }
    }
}

pub(crate) fn endpoint(registry: &TestRegistry) -> String {
    format!("http://{}", registry.address())
}

#[derive(Default)]
pub(crate) struct Counted(pub(crate) AtomicU64);

impl Watch for Counted {
    fn expect(&self, _blobs: u64) {}

    fn moved(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn blob_ended(&self) {}
}

/// Copies one tag.
pub(crate) async fn copied(
    source: &Arc<dyn Source>,
    target: &dyn Target,
    tag: &str,
    plan: &Plan,
) -> Result<Copied> {
    let watch: Arc<dyn Watch> = Arc::new(Counted::default());
    let tag: Tag = tag.parse().unwrap();
    let copied = copy(source, &Reference::Tag(tag.clone()), target, &[tag], plan, &watch).await?;
    target.finish().await?;
    Ok(copied)
}

/// All that belongs to an image.
pub(crate) fn everything() -> Plan {
    Plan { referrers: true, ..Plan::default() }
}

pub(crate) fn only(platform: &str) -> Plan {
    let platform: Platform = platform.parse().unwrap();
    Plan { platforms: vec![platform], ..Plan::default() }
}

/// An index for two platforms with an attestation, a referrer of it, and a referrer of that referrer.
pub(crate) struct Published {
    pub(crate) index: Manifest,
    pub(crate) amd64: Manifest,
    pub(crate) arm64: Manifest,
    pub(crate) attestation: Manifest,
    pub(crate) signature: Manifest,
    pub(crate) note: Manifest,
}

impl Published {
    pub(crate) fn new() -> Self {
        let amd64 = ImageBuilder::new(1).layers(2, 700_000).build();
        let arm64 = ImageBuilder::new(2).layers(1, 300_000).docker().build();
        let attestation = ImageBuilder::new(3).layers(1, 100).build();
        let entry = |manifest: &Manifest, os: &str, architecture: &str| {
            let mut entry = manifest.descriptor();
            entry["platform"] = json!({ "os": os, "architecture": architecture });
            entry
        };
        let mut attests = entry(&attestation, "unknown", "unknown");
        attests["annotations"] = json!({ "vnd.docker.reference.digest": amd64.digest() });
        let index = IndexBuilder::new()
            .entry(entry(&amd64, "linux", "amd64"))
            .entry(entry(&arm64, "linux", "arm64"))
            .entry(attests);
        let manifests = vec![amd64.clone(), arm64.clone(), attestation.clone()];
        let index = Manifest { manifests, ..index.build() };
        let signature =
            ImageBuilder::artifact(4, "application/vnd.example.signature").subject(&index).build();
        let note = ImageBuilder::artifact(5, "application/vnd.example.note").subject(&signature).build();
        Self { index, amd64, arm64, attestation, signature, note }
    }

    /// Pushes everything to a registry's repository `app`, under `v1`.
    pub(crate) fn push(&self, registry: &TestRegistry) {
        let client = registry.client();
        self.index.push(&client, "app", "v1");
        self.signature.push(&client, "app", self.signature.digest());
        self.note.push(&client, "app", self.note.digest());
    }

    pub(crate) fn all(&self) -> [&Manifest; 6] {
        [&self.index, &self.amd64, &self.arm64, &self.attestation, &self.signature, &self.note]
    }
}

/// Asserts that a place has a manifest and its blobs, with the right bytes.
pub(crate) async fn expect_whole(place: &Arc<dyn Source>, manifest: &Manifest) {
    let found = place.manifest(&Reference::Digest(manifest.digest())).await.unwrap();
    assert_eq!(found.bytes, manifest.bytes);
    let blobs: Vec<_> = found.blobs().collect();
    assert_eq!(blobs.len(), manifest.blobs.len());
    for (blob, bytes) in blobs.into_iter().zip(&manifest.blobs) {
        let mut read = Vec::new();
        place.open(blob, 0).await.unwrap().read_to_end(&mut read).await.unwrap();
        assert!(read == *bytes, "blob `{}` of {}", blob.digest, place.place());
    }
}
