//! Gathers what a bundle will have: manifests, and where each blob can be read. No blob is read yet, so that the bundle
//! can be written in a fixed order.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use hythe_oci::{Descriptor, Digest, ImageName, Platform, Reference, Tag};
use parking_lot::Mutex;

use super::record::{BundledBlob, BundledImage, Record};
use crate::copy::{Plan, Watch, copy};
use crate::error::Result;
use crate::manifest::{Child, Manifest};
use crate::store::{Brought, Moved, Source, Target};

/// What a bundle will have.
#[derive(Default)]
pub struct Gathering {
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    images: BTreeMap<String, BundledImage>,
    manifests: BTreeMap<Digest, Manifest>,
    blobs: BTreeMap<Digest, GatheredBlob>,
    /// The entries of the index: each full name, and referrers under their digests.
    entries: BTreeMap<String, Digest>,
}

/// A blob, the repository that it was found for, and where it can be read.
#[derive(Clone)]
pub(super) struct GatheredBlob {
    pub(super) descriptor: Descriptor,
    repository: String,
    pub(super) source: Arc<dyn Source>,
}

/// The whole content of a bundle, in the order in which it is written.
pub(super) struct Content {
    pub(super) record: Record,
    pub(super) manifests: BTreeMap<Digest, Manifest>,
    pub(super) blobs: BTreeMap<Digest, GatheredBlob>,
    pub(super) entries: BTreeMap<String, Digest>,
}

/// Which parts of an image a bundle gets.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The platforms of an index; empty for all that the source has.
    pub platforms: Vec<Platform>,
    /// Whether to also bundle referrers, and the signatures that tags name.
    pub referrers: bool,
}

struct Silent;

impl Watch for Silent {
    fn expect(&self, _blobs: u64) {}
    fn moved(&self, _bytes: u64) {}
    fn blob_ended(&self) {}
}

impl Gathering {
    /// Adds an image. `reference` says which manifest `name` stands for at the source. Returns the image as the bundle
    /// will list it.
    pub async fn add(
        &self,
        source: &Arc<dyn Source>,
        reference: &Reference,
        name: &ImageName,
        choice: &Choice,
    ) -> Result<BundledImage> {
        let name = name.normalised();
        let repository = format!("{}/{}", name.registry(), name.repository());
        // Unfinished images add nothing: their manifests are taken over at the end.
        let part = Part { repository, gathered: Mutex::default() };
        let plan = Plan {
            platforms: choice.platforms.clone(),
            referrers: choice.referrers,
            partial: choice.platforms.is_empty(),
            ..Plan::default()
        };
        let watch: Arc<dyn Watch> = Arc::new(Silent);
        let copied = copy(source, reference, &part, &[], &plan, &watch).await?;
        let mut new = part.gathered.into_inner();
        let platforms = |manifest: &Manifest| {
            let images = manifest.children.iter().filter(|child| child.attests.is_none());
            let there = images.filter(|child| new.manifests.contains_key(&child.descriptor.digest));
            let mut names: Vec<String> = there.map(Child::name).collect();
            names.sort();
            names.dedup();
            names
        };
        let mut absent = copied.left_out;
        absent.sort();
        absent.dedup();
        let image = BundledImage {
            name: name.as_str().to_owned(),
            digest: copied.digest,
            platforms: new.manifests.get(&copied.digest).map(platforms).unwrap_or_default(),
            absent,
        };
        let mut all = self.gathered.lock();
        new.entries.insert(image.name.clone(), image.digest);
        all.images.insert(image.name.clone(), image.clone());
        all.manifests.append(&mut new.manifests);
        all.entries.append(&mut new.entries);
        for (digest, blob) in new.blobs {
            all.blobs.entry(digest).or_insert(blob);
        }
        Ok(image)
    }

    /// The content of the bundle. `earlier` is the bundle whose content it leaves out; `missing` names images that could
    /// not be found.
    pub(super) fn into_content(self, earlier: Option<&Record>, mut missing: Vec<String>) -> Content {
        let Gathered { images, manifests, mut blobs, entries } = self.gathered.into_inner();
        let mut record = Record::new();
        record.images = images.into_values().collect();
        record.blobs = blobs
            .values()
            .map(|blob| BundledBlob {
                digest: blob.descriptor.digest,
                size: blob.descriptor.size,
                repository: blob.repository.clone(),
            })
            .collect();
        missing.sort();
        missing.dedup();
        record.missing = missing;
        if let Some(earlier) = earlier {
            record.leave_out(earlier);
            let left_out = record.presumes();
            blobs.retain(|digest, _| !left_out.contains(digest));
        }
        Content { record, manifests, blobs, entries }
    }
}

/// One image while it is gathered.
struct Part {
    /// The repository with its registry, for the names of entries.
    repository: String,
    gathered: Mutex<Gathered>,
}

#[async_trait]
impl Target for Part {
    fn place(&self) -> &str {
        &self.repository
    }

    async fn find(&self, reference: &Reference) -> Result<Option<Digest>> {
        Ok(match reference {
            Reference::Digest(digest) => self.gathered.lock().manifests.get(digest).map(|_| *digest),
            Reference::Tag(_) => None,
        })
    }

    async fn read(&self, digest: &Digest) -> Result<Option<Manifest>> {
        Ok(self.gathered.lock().manifests.get(digest).cloned())
    }

    async fn has_blob(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.gathered.lock().blobs.contains_key(&blob.digest))
    }

    async fn put_blob(&self, blob: &Descriptor, source: Arc<dyn Source>, _moved: Moved) -> Result<Brought> {
        let repository = self.repository.clone();
        let found = GatheredBlob { descriptor: blob.clone(), repository, source };
        self.gathered.lock().blobs.insert(blob.digest, found);
        Ok(Brought::Moved)
    }

    async fn put_manifest(&self, manifest: &Manifest, tags: &[Tag]) -> Result<()> {
        let mut gathered = self.gathered.lock();
        gathered.manifests.insert(manifest.digest, manifest.clone());
        for tag in tags {
            gathered.entries.insert(format!("{}:{tag}", self.repository), manifest.digest);
        }
        if manifest.subject.is_some() {
            gathered.entries.insert(format!("{}@{}", self.repository, manifest.digest), manifest.digest);
        }
        Ok(())
    }
}
