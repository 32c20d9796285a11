//! An image at a registry: its platforms, layers, annotations and referrers.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Descriptor, Digest, ImageName, Platform, Reference};
use hythe_transfer::{Error, Manifest, Remote, Source as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use crate::failure::Failure;

/// Manifests that are read at the same time.
const AT_ONCE: usize = 8;

/// The largest image configuration that is read, in bytes.
const CONFIG: u64 = 8 << 20;

/// The longest command of a layer that is shown, in characters.
const COMMAND: usize = 120;

/// An image at a registry.
pub(super) struct Image {
    pub(super) name: String,
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) artifact_type: Option<String>,
    /// The size of all its blobs and manifests, each counted once; of an index, of those that the registry has.
    pub(super) bytes: u64,
    pub(super) created: Option<String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// The platforms of an index.
    pub(super) platforms: Vec<OfPlatform>,
    /// The layers of an image with one platform.
    pub(super) layers: Vec<Layer>,
    pub(super) referrers: Vec<Referrer>,
}

/// A manifest that refers to the image, such as a signature.
pub(super) struct Referrer {
    pub(super) digest: Digest,
    pub(super) artifact_type: Option<String>,
    /// The size of its blobs and of its manifest.
    pub(super) bytes: u64,
}

/// A manifest that an index lists.
pub(super) struct OfPlatform {
    pub(super) name: String,
    pub(super) digest: Digest,
    /// `None` if the registry does not have it.
    pub(super) content: Option<Present>,
}

/// A manifest of an index that the registry has.
pub(super) struct Present {
    pub(super) bytes: u64,
    pub(super) layers: usize,
    /// When it was built, as its configuration says.
    pub(super) created: Option<String>,
}

/// A layer, and the command that made it.
pub(super) struct Layer {
    pub(super) digest: Digest,
    pub(super) media_type: String,
    pub(super) bytes: u64,
    pub(super) command: String,
    /// When it was made, as the configuration says.
    pub(super) created: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) created: Option<String>,
    #[serde(default)]
    history: Vec<History>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    empty_layer: bool,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

fn own_bytes(manifest: &Manifest) -> u64 {
    let mut counted = HashSet::new();
    let once = manifest.blobs().filter(|blob| counted.insert(blob.digest));
    once.map(|blob| blob.size).sum::<u64>() + manifest.bytes.len() as u64
}

impl Image {
    /// Reads an image. With a platform, the manifest of an index for it.
    pub(super) async fn read(
        name: &ImageName,
        remote: &Remote,
        platform: Option<&Platform>,
    ) -> Result<Self, Failure> {
        let mut manifest = remote.manifest(&name.reference()).await?;
        let mut shown = name.normalised().as_str().to_owned();
        if let (Some(wanted), true) = (platform, manifest.is_index()) {
            let is_it = |there: &Option<Platform>| there.as_ref().is_some_and(|there| wanted.takes(there));
            let chosen = manifest.children.iter().find(|child| is_it(&child.platform));
            let Some(chosen) = chosen else {
                let there: Vec<String> =
                    platforms(&manifest).iter().map(|child| child.name.clone()).collect();
                let (what, wanted) = (shown, wanted.to_string());
                return Err(Error::Platform { what, wanted, there: there.join(", ") }.into());
            };
            manifest = remote.manifest(&Reference::Digest(chosen.descriptor.digest)).await?;
            shown = format!("{shown} ({wanted})");
        }
        let annotated: Option<Annotated> = serde_json::from_slice(&manifest.bytes).ok();
        let mut image = Self {
            name: shown,
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
            artifact_type: manifest.artifact_type.clone().filter(|_| manifest.subject.is_some()),
            bytes: own_bytes(&manifest),
            created: None,
            annotations: annotated.and_then(|annotated| annotated.annotations).unwrap_or_default(),
            platforms: platforms(&manifest),
            layers: Vec::new(),
            referrers: Vec::new(),
        };
        let only = image.read_platforms(&manifest, remote).await?;
        if !manifest.is_index() {
            image.read_layers(&manifest, remote).await?;
        } else if let Some(only) = only {
            image.read_layers(&only, remote).await?;
        }
        let referrers = remote.referrers(&manifest.digest).await?;
        let read = stream::iter(referrers)
            .map(|digest| async move { remote.manifest(&Reference::Digest(digest)).await });
        let read: Vec<Manifest> = read.buffered(AT_ONCE).try_collect().await?;
        image.referrers = read
            .into_iter()
            .map(|manifest| Referrer {
                digest: manifest.digest,
                bytes: own_bytes(&manifest),
                artifact_type: manifest.artifact_type,
            })
            .collect();
        Ok(image)
    }

    /// Reads the sizes and dates of an index's manifests. Returns the image of an index that has only one.
    async fn read_platforms(
        &mut self,
        index: &Manifest,
        remote: &Remote,
    ) -> Result<Option<Manifest>, Failure> {
        let digests: Vec<Digest> = index.children.iter().map(|child| child.descriptor.digest).collect();
        let is_image = |digest: &Digest| self.platforms.iter().any(|platform| platform.digest == *digest);
        let read = stream::iter(digests).map(|digest| {
            let is_image = is_image(&digest);
            async move {
                let manifest = match remote.manifest(&Reference::Digest(digest)).await {
                    Ok(manifest) => manifest,
                    Err(error) if error.is_not_found() => return Ok(None),
                    Err(error) => return Err(Failure::from(error)),
                };
                let config = match &manifest.config {
                    Some(config) if is_image => read_config(config, remote).await?,
                    _ => None,
                };
                Ok(Some((manifest, config.and_then(|config| config.created))))
            }
        });
        let read: Vec<Option<(Manifest, Option<String>)>> = read.buffered(AT_ONCE).try_collect().await?;
        let mut counted = HashSet::new();
        let mut images = Vec::new();
        for (manifest, created) in read.into_iter().flatten() {
            let new = manifest.blobs().filter(|blob| counted.insert(blob.digest));
            self.bytes += new.map(|blob| blob.size).sum::<u64>();
            if counted.insert(manifest.digest) {
                self.bytes += manifest.bytes.len() as u64;
            }
            let of = self.platforms.iter_mut().filter(|platform| platform.digest == manifest.digest);
            let (bytes, layers) = (own_bytes(&manifest), manifest.layers.len());
            of.for_each(|platform| {
                platform.content = Some(Present { bytes, layers, created: created.clone() });
            });
            images.push(manifest);
        }
        let [only] = &self.platforms[..] else { return Ok(None) };
        Ok(images.into_iter().find(|manifest| manifest.digest == only.digest))
    }

    /// Reads the configuration of an image, which names the command of each layer.
    async fn read_layers(&mut self, manifest: &Manifest, remote: &Remote) -> Result<(), Failure> {
        let mut commands = Vec::new();
        if let Some(config) = &manifest.config
            && let Some(config) = read_config(config, remote).await?
        {
            self.created = config.created;
            let made = config.history.into_iter().filter(|step| !step.empty_layer);
            commands.extend(made.map(|step| (shortened(&step.created_by), step.created)));
        }
        // A history that does not fit says nothing about single layers.
        if commands.len() != manifest.layers.len() {
            commands.clear();
        }
        let mut commands = commands.into_iter();
        self.layers = manifest
            .layers
            .iter()
            .map(|layer| {
                let (command, created) = commands.next().unwrap_or_default();
                let (digest, media_type) = (layer.digest, layer.media_type.clone());
                Layer { digest, media_type, bytes: layer.size, command, created }
            })
            .collect();
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let platforms = self.platforms.iter().map(|platform| {
            json!({
                "platform": platform.name,
                "digest": platform.digest,
                "bytes": platform.content.as_ref().map(|content| content.bytes),
                "layers": platform.content.as_ref().map(|content| content.layers),
                "created": platform.content.as_ref().and_then(|content| content.created.as_ref()),
                "present": platform.content.is_some(),
            })
        });
        let layers = self.layers.iter().map(|layer| {
            json!({
                "digest": layer.digest,
                "mediaType": layer.media_type,
                "bytes": layer.bytes,
                "command": layer.command,
                "created": layer.created,
            })
        });
        let referrers = self.referrers.iter().map(|referrer| {
            json!({
                "digest": referrer.digest,
                "artifactType": referrer.artifact_type,
                "bytes": referrer.bytes,
            })
        });
        json!({
            "name": self.name,
            "digest": self.digest,
            "mediaType": self.media_type,
            "artifactType": self.artifact_type,
            "bytes": self.bytes,
            "created": self.created,
            "annotations": self.annotations,
            "platforms": platforms.collect::<Vec<_>>(),
            "layers": layers.collect::<Vec<_>>(),
            "referrers": referrers.collect::<Vec<_>>(),
        })
    }
}

/// The manifests of an index that are images: attestations are left out.
fn platforms(index: &Manifest) -> Vec<OfPlatform> {
    let images = index.children.iter().filter(|child| child.attests.is_none());
    images
        .map(|child| OfPlatform {
            name: child.platform.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string),
            digest: child.descriptor.digest,
            content: None,
        })
        .collect()
}

/// The image's configuration; `None` if it is that of an artifact.
pub(super) async fn read_config(config: &Descriptor, remote: &Remote) -> Result<Option<Config>, Failure> {
    if config.size > CONFIG {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let stream = remote.open(config, 0).await?;
    stream.take(CONFIG).read_to_end(&mut bytes).await.map_err(|source| Error::Read {
        place: remote.place().to_owned(),
        digest: config.digest,
        source,
    })?;
    let found = Digest::of(config.digest.algorithm(), &bytes);
    if found != config.digest {
        let (place, what) = (remote.place().to_owned(), format!("blob `{}`", config.digest));
        return Err(Error::Content { place, what, found }.into());
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

/// A command in one line, without the shell in front that each of Docker's has.
fn shortened(command: &str) -> String {
    let command = command.strip_prefix("/bin/sh -c ").unwrap_or(command);
    let command = command.strip_prefix("#(nop) ").unwrap_or(command);
    let words: Vec<&str> = command.split_whitespace().collect();
    let command = words.join(" ");
    if command.chars().count() <= COMMAND {
        return command;
    }
    command.chars().take(COMMAND - 1).chain(['…']).collect()
}
