//! A manifest with all content that it names, ready to push.

use hythe_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::{Answer, Client};

/// A manifest of an image, an artifact or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// The blobs that it needs, the configuration first.
    pub blobs: Vec<Vec<u8>>,
    /// The algorithm of the digests that name those blobs.
    pub algorithm: Algorithm,
    /// The manifests that it lists.
    pub manifests: Vec<Manifest>,
}

impl Manifest {
    /// A manifest alone, without the content that it names.
    pub fn of(media_type: &str, value: &Value) -> Self {
        Self {
            media_type: media_type.to_owned(),
            bytes: pretty(value),
            blobs: Vec::new(),
            algorithm: Algorithm::default(),
            manifests: Vec::new(),
        }
    }

    /// Its SHA-256 digest.
    pub fn digest(&self) -> Digest {
        self.digest_by(Algorithm::Sha256)
    }

    /// Its digest of another algorithm.
    pub fn digest_by(&self, algorithm: Algorithm) -> Digest {
        Digest::of(algorithm, &self.bytes)
    }

    /// A descriptor of it.
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest(), "size": self.bytes.len() })
    }

    /// Pushes all blobs and manifests that it names, then itself under a tag or digest.
    #[track_caller]
    pub fn push(&self, client: &Client, repository: &str, reference: impl ToString) -> Answer {
        self.push_blobs(client, repository);
        for manifest in &self.manifests {
            manifest.push(client, repository, manifest.digest());
        }
        self.put(client, repository, reference).expect(201)
    }

    /// Pushes the blobs that it names itself.
    #[track_caller]
    pub fn push_blobs(&self, client: &Client, repository: &str) {
        for blob in &self.blobs {
            client.push_blob_by(self.algorithm, repository, blob);
        }
    }

    /// Puts only the manifest itself, and returns any answer.
    #[track_caller]
    pub fn put(&self, client: &Client, repository: &str, reference: impl ToString) -> Answer {
        let request = client.put(format!("/v2/{repository}/manifests/{}", reference.to_string()));
        request.header("content-type", &self.media_type).body(&self.bytes).send()
    }
}

/// Indented JSON, so that a registry that reformats manifests returns other bytes.
pub(crate) fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("a JSON value can be written")
}
