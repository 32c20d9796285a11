//! An image in an engine's store, ready to be copied: each layer that the registry has under any digest is taken as it is
//! there, and only the others are read.

use std::collections::HashMap;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::media_type::{
    DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD, OCI_MANIFEST, is_nondistributable,
};
use hythe_oci::{Algorithm, Descriptor, Digest, Platform, Reference, RepositoryName, Tag};
use hythe_transfer::{Bytestream, Error, Manifest, Remote, Result, Source};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, ReadBuf};

use crate::disk::Disk;
use crate::store::{Ask, Layer, Origin};

/// Layers whose blobs are looked up at the same time.
const LOOKUPS: usize = 8;
/// Blobs in other repositories that are tried for one layer.
const ORIGINS: usize = 4;

/// The parts of an image's configuration that the copy needs (image-spec, config.md).
#[derive(Debug, Deserialize)]
struct Config {
    rootfs: RootFs,
    #[serde(flatten)]
    platform: Platform,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

/// An image in an engine's store.
#[derive(Debug)]
pub struct StoreImage {
    disk: Disk,
    place: String,
    config: Bytes,
    id: Digest,
    platform: Platform,
    layers: Vec<Layer>,
}

/// What the registry has of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// Layers that the registry has.
    pub existing: usize,
    /// Of these, the layers that came from another repository.
    pub mounted: usize,
    /// Layers that must be read.
    pub missing: usize,
}

/// An image whose manifest is made: it can be copied.
#[derive(Debug)]
pub struct ReadyImage {
    disk: Disk,
    place: String,
    config: Bytes,
    manifest: Manifest,
    /// The layers to read, by the digests of their blobs.
    layers: HashMap<Digest, Layer>,
    /// What the registry has.
    pub have: Have,
    /// Whether a layer had another digest than it should.
    damaged: Arc<AtomicBool>,
}

/// How the registry has a layer.
struct Found {
    blob: Descriptor,
    is_mounted: bool,
}

impl StoreImage {
    /// Reads which layers the image has. `place` is the image's name for messages.
    pub async fn open(disk: Disk, id: Digest, place: impl Into<String>) -> Result<Self> {
        let place = place.into();
        let failed = |source| Error::Read { place: place.clone(), digest: id, source };
        let config = disk.read(Ask::Config(id)).await.map_err(failed)?;
        let parsed: Config = serde_json::from_slice(&config).map_err(|error| failed(error.into()))?;
        let diff_ids = parsed.rootfs.diff_ids;
        let upto = |end: usize| Layer { image: id, diff_ids: diff_ids[..=end].to_vec() };
        let layers = (0..diff_ids.len()).map(upto).collect();
        Ok(Self { disk, place, config: config.into(), id, platform: parsed.platform, layers })
    }

    /// Finds out which layers the registry has, and makes the manifest. `reference` names the image that the repository
    /// may have now, whose layers may be among this image's.
    pub async fn ready(self, target: Option<(&Remote, &Reference)>) -> Result<ReadyImage> {
        let known = match target {
            Some((remote, reference)) => remote.layers(reference, &self.platform).await,
            None => HashMap::new(),
        };
        let this = &self;
        let known = &known;
        let found = stream::iter(&self.layers).map(|layer| async move {
            let Some((remote, _)) = target else { return Ok(None) };
            this.find(layer, remote, known).await
        });
        let found: Vec<Option<Found>> = found.buffered(LOOKUPS).try_collect().await?;
        let (mut have, mut blobs, mut layers) = (Have::default(), Vec::new(), HashMap::new());
        for (layer, found) in self.layers.iter().zip(found) {
            let blob = if let Some(found) = found {
                have.existing += 1;
                have.mounted += usize::from(found.is_mounted);
                found.blob
            } else {
                let blob = descriptor(OCI_LAYER, *layer.diff_id(), self.size(layer).await?);
                have.missing += usize::from(layers.insert(blob.digest, layer.clone()).is_none());
                blob
            };
            blobs.push(blob);
        }
        let config = descriptor(OCI_CONFIG, self.id, self.config.len() as u64);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config,
            "layers": blobs,
        });
        let bytes = Bytes::from(manifest.to_string());
        let manifest = Manifest::read(Some(OCI_MANIFEST), bytes, Algorithm::Sha256)
            .map_err(|(digest, error)| Error::Manifest { place: self.place.clone(), digest, error })?;
        let Self { disk, place, config, .. } = self;
        Ok(ReadyImage { disk, place, config, manifest, layers, have, damaged: Arc::default() })
    }

    async fn size(&self, layer: &Layer) -> Result<u64> {
        let failed = |source| Error::Read { place: self.place.clone(), digest: *layer.diff_id(), source };
        self.disk.read_json(Ask::Size(layer.clone())).await.map_err(failed)
    }

    /// The blob of the target's registry that is this layer, in the target's repository.
    async fn find(
        &self,
        layer: &Layer,
        remote: &Remote,
        known: &HashMap<Digest, Descriptor>,
    ) -> Result<Option<Found>> {
        // Uncompressed, the layer's blob has its DiffID.
        if let Some(size) = remote.blob_size(layer.diff_id()).await? {
            let size = match size {
                Some(size) => size,
                None => self.size(layer).await?,
            };
            return Ok(Some(Found {
                blob: descriptor(OCI_LAYER, *layer.diff_id(), size),
                is_mounted: false,
            }));
        }
        if let Some(blob) = known.get(layer.diff_id()).and_then(as_oci)
            && remote.blob_size(&blob.digest).await?.is_some()
        {
            return Ok(Some(Found { blob, is_mounted: false }));
        }
        self.find_origin(layer, remote).await
    }

    /// Finds a blob that the engine pulled or pushed itself. What the engine knows about it is a hint: an error costs the
    /// layer's upload only.
    async fn find_origin(&self, layer: &Layer, remote: &Remote) -> Result<Option<Found>> {
        let origins: Vec<Origin> = self.disk.read_json(Ask::Origins(layer.clone())).await.unwrap_or_default();
        for Origin { digest, repository } in origins.iter().take(ORIGINS) {
            let from: Option<RepositoryName> = repository
                .strip_prefix(remote.host())
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|name| name.parse().ok());
            let Some(from) = from else { continue };
            let is_mounted = match remote.blob_size(digest).await? {
                Some(_) => false,
                None if remote.mount(digest, &from).await? => true,
                None => continue,
            };
            // Engines compress with gzip; a registry says nothing about a blob's type.
            if let Some(Some(size)) = remote.blob_size(digest).await? {
                let media_type = if digest == layer.diff_id() { OCI_LAYER } else { OCI_LAYER_GZIP };
                return Ok(Some(Found { blob: descriptor(media_type, *digest, size), is_mounted }));
            }
        }
        Ok(None)
    }
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    let media_type = media_type.to_owned();
    Descriptor { media_type, digest, size, urls: Vec::new(), annotations: None, artifact_type: None }
}

/// A layer's descriptor for an OCI manifest; `None` if a registry need not have the layer.
fn as_oci(blob: &Descriptor) -> Option<Descriptor> {
    let media_type = match blob.media_type.as_str() {
        DOCKER_LAYER => OCI_LAYER,
        DOCKER_LAYER_GZIP => OCI_LAYER_GZIP,
        DOCKER_LAYER_ZSTD => OCI_LAYER_ZSTD,
        other if is_nondistributable(other) => return None,
        other => other,
    };
    Some(descriptor(media_type, blob.digest, blob.size))
}

impl ReadyImage {
    /// The digest of the image's manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest
    }

    /// Whether the store gave a layer with another digest than it should: the copy's error is about the engine.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Source for ReadyImage {
    fn place(&self) -> &str {
        &self.place
    }

    async fn resolve(&self, _reference: &Reference) -> Result<Digest> {
        Ok(self.manifest.digest)
    }

    async fn manifest(&self, _reference: &Reference) -> Result<Manifest> {
        Ok(self.manifest.clone())
    }

    async fn open(&self, blob: &Descriptor, from: u64) -> Result<Bytestream> {
        if self.manifest.config.as_ref().is_some_and(|config| config.digest == blob.digest) {
            let mut config = Cursor::new(self.config.clone());
            config.set_position(from);
            return Ok(Box::pin(config));
        }
        let lacks = || Error::NotFound { place: self.place.clone(), what: format!("blob `{}`", blob.digest) };
        let layer = self.layers.get(&blob.digest).ok_or_else(lacks)?;
        if self.is_damaged() {
            // Reading it again would give the same bytes.
            return Err(lacks());
        }
        let stream = self.disk.ask(Ask::Bytes(layer.clone(), from));
        Ok(Box::pin(Noticing { stream, damaged: Arc::clone(&self.damaged) }))
    }

    async fn referrers(&self, _subject: &Digest) -> Result<Vec<Digest>> {
        Ok(Vec::new())
    }

    async fn tags(&self) -> Result<Vec<Tag>> {
        Ok(Vec::new())
    }
}

/// Notices that a layer has wrong content.
struct Noticing {
    stream: Bytestream,
    damaged: Arc<AtomicBool>,
}

impl AsyncRead for Noticing {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.stream.as_mut().poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &polled
            && error.kind() == io::ErrorKind::InvalidData
        {
            this.damaged.store(true, Ordering::Relaxed);
        }
        polled
    }
}
