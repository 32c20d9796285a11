//! Images and artifacts with content of their own.

use hythe_oci::media_type::{
    DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_CONFIG, OCI_EMPTY, OCI_LAYER_GZIP, OCI_MANIFEST,
};
use hythe_oci::{Algorithm, Digest};
use serde_json::{Map, Value, json};

use crate::Manifest;
use crate::content::bytes;
use crate::manifest::pretty;

/// Builds an image or artifact, for `amd64` by default.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    seed: u64,
    media_type: &'static str,
    config: (String, Vec<u8>),
    layers: Vec<(String, Vec<u8>)>,
    layer_type: String,
    algorithm: Algorithm,
    unpushed: Vec<Value>,
    fields: Map<String, Value>,
}

impl ImageBuilder {
    /// An OCI image without layers. Its content is the same for the same `seed`, and differs between seeds.
    pub fn new(seed: u64) -> Self {
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] },
            "config": { "Labels": { "seed": seed.to_string() } },
        });
        Self {
            seed,
            media_type: OCI_MANIFEST,
            config: (OCI_CONFIG.to_owned(), pretty(&config)),
            layers: Vec::new(),
            layer_type: OCI_LAYER_GZIP.to_owned(),
            algorithm: Algorithm::Sha256,
            unpushed: Vec::new(),
            fields: Map::new(),
        }
    }

    /// An artifact: an empty configuration, and one blob of its type.
    pub fn artifact(seed: u64, artifact_type: &str) -> Self {
        let builder = Self::new(seed).config(OCI_EMPTY, b"{}").field("artifactType", artifact_type);
        builder.layer("application/octet-stream", &bytes(seed ^ 0xa57, 64))
    }

    /// Uses Docker's media types.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.media_type = DOCKER_MANIFEST;
        DOCKER_CONFIG.clone_into(&mut self.config.0);
        DOCKER_LAYER_GZIP.clone_into(&mut self.layer_type);
        self
    }

    /// Names its blobs by digests of this algorithm.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Replaces the configuration.
    #[must_use]
    pub fn config(mut self, media_type: &str, content: &[u8]) -> Self {
        self.config = (media_type.to_owned(), content.to_vec());
        self
    }

    /// Adds `count` layers of `size` bytes.
    #[must_use]
    pub fn layers(mut self, count: usize, size: usize) -> Self {
        for _ in 0..count {
            let seed = self.seed.wrapping_mul(1009).wrapping_add(self.layers.len() as u64);
            self.layers.push((self.layer_type.clone(), bytes(seed, size)));
        }
        self
    }

    /// Adds a layer.
    #[must_use]
    pub fn layer(mut self, media_type: &str, content: &[u8]) -> Self {
        self.layers.push((media_type.to_owned(), content.to_vec()));
        self
    }

    /// Adds the descriptor of a layer that is not pushed with the image.
    #[must_use]
    pub fn unpushed_layer(mut self, media_type: &str, digest: Digest, size: usize) -> Self {
        self.unpushed.push(json!({ "mediaType": media_type, "digest": digest, "size": size }));
        self
    }

    /// Sets its subject.
    #[must_use]
    pub fn subject(self, subject: &Manifest) -> Self {
        let descriptor = subject.descriptor();
        self.field("subject", descriptor)
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.fields.entry("annotations").or_insert_with(|| json!({}))[key] = value.into();
        self
    }

    /// Adds or replaces any field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    fn descriptor(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(self.algorithm, content);
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    /// The manifest, with its blobs.
    pub fn build(self) -> Manifest {
        let layers = self.layers.iter().map(|(media_type, content)| self.descriptor(media_type, content));
        let layers: Vec<Value> = layers.chain(self.unpushed.iter().cloned()).collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.descriptor(&self.config.0, &self.config.1),
            "layers": layers,
        });
        for (name, value) in &self.fields {
            manifest[name] = value.clone();
        }
        let mut blobs = vec![self.config.1];
        blobs.extend(self.layers.into_iter().map(|(_, content)| content));
        Manifest { blobs, algorithm: self.algorithm, ..Manifest::of(self.media_type, &manifest) }
    }
}
