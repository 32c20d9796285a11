//! Indexes of manifests.

use hythe_oci::media_type::{DOCKER_LIST, OCI_INDEX};
use serde_json::{Map, Value, json};

use crate::Manifest;

/// Builds an index.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    media_type: &'static str,
    manifests: Vec<Manifest>,
    entries: Vec<Value>,
    fields: Map<String, Value>,
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl IndexBuilder {
    /// An empty OCI index.
    pub fn new() -> Self {
        Self { media_type: OCI_INDEX, manifests: Vec::new(), entries: Vec::new(), fields: Map::new() }
    }

    /// Uses Docker's media type: a manifest list.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.media_type = DOCKER_LIST;
        self
    }

    /// Lists a manifest, which is pushed with the index.
    #[must_use]
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.entries.push(manifest.descriptor());
        self.manifests.push(manifest);
        self
    }

    /// Lists a descriptor whose manifest is not pushed with the index.
    #[must_use]
    pub fn entry(mut self, descriptor: Value) -> Self {
        self.entries.push(descriptor);
        self
    }

    /// Sets its subject.
    #[must_use]
    pub fn subject(self, subject: &Manifest) -> Self {
        let descriptor = subject.descriptor();
        self.field("subject", descriptor)
    }

    /// Adds or replaces any field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// The manifest, with the manifests that it lists.
    pub fn build(self) -> Manifest {
        let mut index =
            json!({ "schemaVersion": 2, "mediaType": self.media_type, "manifests": self.entries });
        for (name, value) in &self.fields {
            index[name] = value.clone();
        }
        Manifest { manifests: self.manifests, ..Manifest::of(self.media_type, &index) }
    }
}
