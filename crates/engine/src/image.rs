//! An image in an engine's store: which layers the registry has, under any digest.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::media_type::{
    DOCKER_LAYER, DOCKER_LAYER_GZIP, DOCKER_LAYER_ZSTD, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD,
    is_nondistributable,
};
use hythe_oci::{Descriptor, Digest, Platform, Reference, RepositoryName};
use hythe_transfer::{Error, Remote, Result};
use serde::Deserialize;

use crate::disk::Disk;
use crate::store::{Ask, Layer, Origin};

/// Layers whose blobs are looked up at the same time.
const LOOKUPS: usize = 8;
/// Blobs in other repositories that are tried for one layer.
const ORIGINS: usize = 4;

/// The label with the name of the image that an image was built on (image-spec, annotations.md).
const BASE: &str = "org.opencontainers.image.base.name";

/// The parts of an image's configuration that the copy needs (image-spec, config.md).
#[derive(Debug, Deserialize)]
struct Config {
    rootfs: RootFs,
    #[serde(flatten)]
    platform: Platform,
    #[serde(rename = "config")]
    defaults: Option<Defaults>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Defaults {
    labels: Option<HashMap<String, String>>,
}

/// An image in an engine's store.
#[derive(Debug)]
pub struct StoreImage {
    pub(crate) disk: Disk,
    pub(crate) place: String,
    pub(crate) config: Bytes,
    pub(crate) id: Digest,
    platform: Platform,
    base: Option<String>,
    layers: Vec<Layer>,
}

/// Where an image is to go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The repository.
    pub remote: &'a Remote,
    /// The image that the repository may have now: its layers may be among the image's.
    pub reference: &'a Reference,
    /// The image that it was built on, if that is in the same registry.
    pub base: Option<(&'a Remote, &'a Reference)>,
}

/// A layer, and the registry's blob that is this layer.
#[derive(Debug)]
pub(crate) struct LayerThere {
    pub(crate) layer: Layer,
    pub(crate) found: Option<Found>,
}

/// How the registry has a layer.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) blob: Descriptor,
    pub(crate) is_mounted: bool,
}

/// An image, and what the registry has of it.
#[derive(Debug)]
pub struct LookedUp {
    pub(crate) image: StoreImage,
    pub(crate) layers: Vec<LayerThere>,
}

/// The layers of other images, by `DiffID`.
struct Known<'a> {
    target: Target<'a>,
    now: HashMap<Digest, Descriptor>,
    base: HashMap<Digest, Descriptor>,
}

/// The most layers of an image. Engines accept 127.
const LAYERS: usize = 1024;

impl StoreImage {
    /// Reads which layers the image has. `place` is the image's name for messages.
    pub async fn open(disk: Disk, id: Digest, place: impl Into<String>) -> Result<Self> {
        let place = place.into();
        let failed = |source| Error::Read { place: place.clone(), digest: id, source };
        let config = disk.read(Ask::Config(id)).await.map_err(failed)?;
        let parsed: Config = serde_json::from_slice(&config).map_err(|error| failed(error.into()))?;
        let diff_ids = parsed.rootfs.diff_ids;
        if diff_ids.len() > LAYERS {
            let reason = format!("it has {} layers; the most are {LAYERS}", diff_ids.len());
            return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason)));
        }
        let upto = |end: usize| Layer { image: id, diff_ids: diff_ids[..=end].to_vec() };
        let layers = (0..diff_ids.len()).map(upto).collect();
        let labels = parsed.defaults.and_then(|defaults| defaults.labels);
        let base = labels.and_then(|mut labels| labels.remove(BASE));
        Ok(Self { disk, place, config: config.into(), id, platform: parsed.platform, base, layers })
    }

    /// The name of the image that it was built on, if a label tells.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Finds out which layers the registry has, and has it mount those of its other repositories.
    pub async fn look_up(mut self, target: Option<Target<'_>>) -> Result<LookedUp> {
        let layers = std::mem::take(&mut self.layers);
        let Some(target) = target else {
            let layers = layers.into_iter().map(|layer| LayerThere { layer, found: None }).collect();
            return Ok(LookedUp { image: self, layers });
        };
        let known = Known {
            target,
            now: target.remote.layers(target.reference, &self.platform).await,
            base: match target.base {
                Some((remote, reference)) => remote.layers(reference, &self.platform).await,
                None => HashMap::new(),
            },
        };
        let (this, known) = (&self, &known);
        let looked = stream::iter(layers).map(|layer| async move {
            let found = this.find(&layer, known).await?;
            Ok::<_, Error>(LayerThere { layer, found })
        });
        let layers = looked.buffered(LOOKUPS).try_collect().await?;
        Ok(LookedUp { image: self, layers })
    }

    pub(crate) async fn size(&self, layer: &Layer) -> Result<u64> {
        let failed = |source| Error::Read { place: self.place.clone(), digest: *layer.diff_id(), source };
        self.disk.read_json(Ask::Size(layer.clone())).await.map_err(failed)
    }

    /// The blob that is this layer, in the target's repository.
    async fn find(&self, layer: &Layer, known: &Known<'_>) -> Result<Option<Found>> {
        let remote = known.target.remote;
        // Uncompressed, the layer's blob has its DiffID.
        if let Some(size) = remote.blob_size(layer.diff_id()).await? {
            let size = match size {
                Some(size) => size,
                None => self.size(layer).await?,
            };
            let blob = descriptor(OCI_LAYER, *layer.diff_id(), size);
            return Ok(Some(Found { blob, is_mounted: false }));
        }
        if let Some(blob) = known.now.get(layer.diff_id()).and_then(as_oci)
            && remote.blob_size(&blob.digest).await?.is_some()
        {
            return Ok(Some(Found { blob, is_mounted: false }));
        }
        if let Some(blob) = known.base.get(layer.diff_id()).and_then(as_oci)
            && let Some((base, _)) = known.target.base
        {
            if remote.blob_size(&blob.digest).await?.is_some() {
                return Ok(Some(Found { blob, is_mounted: false }));
            }
            if remote.mount(&blob.digest, base.repository_name()).await? {
                return Ok(Some(Found { blob, is_mounted: true }));
            }
        }
        self.find_origin(layer, remote).await
    }

    /// Finds a blob that the engine pulled or pushed itself. What the engine knows about it is a hint: an error costs the
    /// layer's upload only.
    async fn find_origin(&self, layer: &Layer, remote: &Remote) -> Result<Option<Found>> {
        let origins: Vec<Origin> = self.disk.read_json(Ask::Origins(layer.clone())).await.unwrap_or_default();
        for Origin { digest, repository } in origins.iter().take(ORIGINS) {
            let mut size = remote.blob_size(digest).await?;
            let from: Option<RepositoryName> = repository
                .strip_prefix(remote.host())
                .and_then(|rest| rest.strip_prefix('/'))
                .and_then(|name| name.parse().ok());
            let mut is_mounted = false;
            if let (None, Some(from)) = (size, from) {
                is_mounted = remote.mount(digest, &from).await?;
                if is_mounted {
                    size = remote.blob_size(digest).await?;
                }
            }
            // Engines compress with gzip; a registry says nothing about a blob's type.
            if let Some(Some(size)) = size {
                let media_type = if digest == layer.diff_id() { OCI_LAYER } else { OCI_LAYER_GZIP };
                return Ok(Some(Found { blob: descriptor(media_type, *digest, size), is_mounted }));
            }
        }
        Ok(None)
    }
}

pub(crate) fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
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

impl LookedUp {
    /// How many layers must be read.
    pub fn missing(&self) -> usize {
        self.layers.iter().filter(|layer| layer.found.is_none()).count()
    }

    /// How many layers the registry took from another of its repositories.
    pub fn mounted(&self) -> usize {
        self.layers.iter().filter(|layer| layer.found.as_ref().is_some_and(|found| found.is_mounted)).count()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
