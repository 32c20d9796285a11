//! A manifest with its exact bytes, and what it refers to.

use bytes::Bytes;
use hythe_oci::media_type::{is_index, is_manifest, is_nondistributable};
use hythe_oci::{Algorithm, Descriptor, Digest, ManifestError, Platform};
use serde::Deserialize;

/// A manifest whose bytes have its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the bytes.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The exact bytes.
    pub bytes: Bytes,
    /// The configuration, if it has one.
    pub config: Option<Descriptor>,
    /// The layers, and the entries of an index that are not manifests (build caches list layers there).
    pub layers: Vec<Descriptor>,
    /// The manifests that an index lists.
    pub children: Vec<Child>,
    /// The manifest's subject.
    pub subject: Option<Digest>,
    /// The type of the artifact.
    pub artifact_type: Option<String>,
}

/// A manifest that an index lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Its platform, if the index names one.
    pub platform: Option<Platform>,
    /// The manifest that it is an attestation of, as `BuildKit` marks it.
    pub attests: Option<Digest>,
}

impl Child {
    /// Its name for messages: its platform, else its digest.
    pub fn name(&self) -> String {
        match &self.platform {
            Some(platform) => platform.to_string(),
            None => self.descriptor.digest.to_string(),
        }
    }
}

/// The annotation of an index's entry that is an attestation: the digest of the image.
const ATTESTS: &str = "vnd.docker.reference.digest";

/// The lists of a manifest. A list that is null is empty, because clients in Go write an empty list so.
#[derive(Deserialize)]
struct Lists {
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(flatten)]
    descriptor: Descriptor,
    platform: Option<Platform>,
}

impl Manifest {
    /// Reads a manifest that was served with this media type.
    pub fn read(
        media_type: Option<&str>,
        bytes: Bytes,
        algorithm: Algorithm,
    ) -> Result<Self, (Digest, ManifestError)> {
        let digest = Digest::of(algorithm, &bytes);
        let known = hythe_oci::Manifest::read(media_type, &bytes).map_err(|error| (digest, error))?;
        let lists: Lists = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            (digest, ManifestError::Json { reason: error.to_string(), line, column })
        })?;
        let mut layers = lists.layers.unwrap_or_default();
        let mut children = Vec::new();
        for Entry { descriptor, platform } in lists.manifests.unwrap_or_default() {
            let kind = descriptor.media_type.as_str();
            if is_index(kind) || is_manifest(kind) || kind.is_empty() {
                let annotations = descriptor.annotations.as_ref();
                let attests = annotations.and_then(|all| all.get(ATTESTS)?.parse().ok());
                children.push(Child { descriptor, platform, attests });
            } else {
                layers.push(descriptor);
            }
        }
        Ok(Self {
            digest,
            media_type: known.media_type,
            bytes,
            config: lists.config,
            layers,
            children,
            subject: known.subject,
            artifact_type: known.artifact_type,
        })
    }

    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// The blobs that move with the manifest: its configuration and its distributable layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(self.layers.iter().filter(|layer| !is_nondistributable(&layer.media_type)))
    }

    /// The manifest's own descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type.clone(),
            digest: self.digest,
            size: self.bytes.len() as u64,
            urls: Vec::new(),
            annotations: None,
            artifact_type: None,
        }
    }
}
