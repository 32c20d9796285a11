//! Images to push and pull.

use hythe_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Framing, with_digest};
use crate::error::{Error, Result};
use crate::random_file::{Blob, Payload, RandomFile};

/// The media type of an image's manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const BYTES: &str = "application/octet-stream";

/// The request header of a client that pulls images.
pub(crate) const ACCEPT: &str = "Accept: application/vnd.oci.image.manifest.v1+json\r\n";

/// The tag of all images of the bench.
pub(crate) const TAG: &str = "latest";

/// An image to push.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Its layers.
    pub(crate) layers: Vec<Payload>,
    /// Its configuration.
    pub(crate) config: Payload,
    /// Its manifest.
    pub(crate) manifest: Payload,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
}

impl Descriptor {
    fn of(payload: &Payload, media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), digest: payload.digest, size: payload.len() }
    }
}

impl Image {
    /// The image of `layers`, whose blobs all have the tail of `salt`.
    pub(crate) fn of(source: &RandomFile, layers: &[Blob], salt: u64) -> Result<Self> {
        let layers: Vec<_> = layers.iter().map(|layer| layer.salted(salt)).collect();
        let diffs: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs},
        });
        let config = Payload::small(source, config.to_string().into_bytes());
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config: Descriptor::of(&config, CONFIG),
            layers: layers.iter().map(|layer| Descriptor::of(layer, LAYER)).collect(),
        };
        let manifest = serde_json::to_vec(&manifest)
            .map_err(|error| Error::Setup(format!("writing a manifest: {error}")))?;
        Ok(Self { layers, config, manifest: Payload::small(source, manifest) })
    }

    /// Pushes the image like Docker's engine, with a streamed PATCH for each layer. Returns the number of bytes pushed.
    pub(crate) fn push(&self, client: &mut Client, repository: &str) -> Result<u64> {
        for layer in &self.layers {
            push_streamed(client, repository, layer)?;
        }
        push(client, repository, &self.config)?;
        let target = manifest_path(repository, TAG);
        client.send("PUT", &target, MANIFEST, Framing::Sized, &self.manifest, 201)?;
        Ok(self.len())
    }

    /// Fails if the repository has other bytes than this image.
    pub(crate) fn verify(&self, client: &mut Client, repository: &str) -> Result<()> {
        for blob in self.layers.iter().chain([&self.config]) {
            client.verify(&blob_path(repository, &blob.digest), &blob.digest)?;
        }
        let target = manifest_path(repository, TAG);
        let got = client.read(&target, ACCEPT)?;
        if got == self.manifest.tail {
            return Ok(());
        }
        let got = String::from_utf8_lossy(&got).into_owned();
        Err(Error::Answer {
            request: format!("GET {target}"),
            expected: "the manifest pushed".to_owned(),
            got,
        })
    }

    fn len(&self) -> u64 {
        self.layers.iter().chain([&self.config, &self.manifest]).map(Payload::len).sum()
    }
}

/// Pulls the tagged image of `repository` and drops it. Returns the number of bytes pulled.
pub(crate) fn pull(client: &mut Client, repository: &str) -> Result<u64> {
    let target = manifest_path(repository, TAG);
    let bytes = client.read(&target, ACCEPT)?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| Error::Answer {
        request: format!("GET {target}"),
        expected: "a manifest".to_owned(),
        got: error.to_string(),
    })?;
    let mut moved = bytes.len() as u64;
    for blob in [manifest.config].into_iter().chain(manifest.layers) {
        let target = blob_path(repository, &blob.digest);
        let got = client.get(&target, "")?;
        if got != blob.size {
            let (expected, got) = (format!("{} bytes", blob.size), format!("{got} bytes"));
            return Err(Error::Answer { request: format!("GET {target}"), expected, got });
        }
        moved += got;
    }
    Ok(moved)
}

/// Pushes a blob like containerd, with one PUT of known length. Returns the number of bytes pushed.
pub(crate) fn push(client: &mut Client, repository: &str, blob: &Payload) -> Result<u64> {
    let location = client.start_upload(&uploads_path(repository))?;
    client.send("PUT", &with_digest(&location, &blob.digest), BYTES, Framing::Sized, blob, 201)?;
    Ok(blob.len())
}

fn push_streamed(client: &mut Client, repository: &str, blob: &Payload) -> Result<()> {
    let location = client.start_upload(&uploads_path(repository))?;
    client.send_patch(&location, blob).and_then(|location| client.finish_upload(&location, &blob.digest))
}

/// The path to start an upload session.
pub(crate) fn uploads_path(repository: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/")
}

/// The path of a blob.
pub(crate) fn blob_path(repository: &str, digest: &Digest) -> String {
    format!("/v2/{repository}/blobs/{digest}")
}

/// The path of a manifest.
pub(crate) fn manifest_path(repository: &str, reference: &str) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}
