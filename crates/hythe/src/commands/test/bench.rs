//! What all checks share: the registry, two repositories, fresh content, and one image.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hythe_oci::{Digest, RepositoryName, UploadId, media_type};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::repository::Repository;
use super::verdict::Stop;
use super::wire::Wire;

/// The sizes of the layers of the shared image.
const LAYERS: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];

/// What all checks share.
pub(super) struct Bench {
    pub(super) wire: Wire,
    name: RepositoryName,
    other: RepositoryName,
    /// A word that is in the tags and the content of this run alone.
    pub(super) mark: String,
    contents: AtomicU64,
    image: OnceCell<Result<Image, Stop>>,
}

/// An image, with all of its bytes.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) tag: String,
    pub(super) digest: Digest,
    pub(super) manifest: Bytes,
    pub(super) config: (Digest, Bytes),
    pub(super) layers: Vec<(Digest, Bytes)>,
}

impl Bench {
    /// `other` is the repository that blobs are mounted into.
    pub(super) fn new(wire: Wire, name: RepositoryName, other: RepositoryName, id: UploadId) -> Self {
        let mark = id.to_string().replace('-', "");
        Self { wire, name, other, mark, contents: AtomicU64::new(0), image: OnceCell::new() }
    }

    /// The repository under test.
    pub(super) fn repository(&self) -> Repository<'_> {
        Repository::new(&self.wire, &self.name)
    }

    /// The second repository.
    pub(super) fn other(&self) -> Repository<'_> {
        Repository::new(&self.wire, &self.other)
    }

    /// Content that no registry has yet, and that does not compress.
    pub(super) fn content(&self, length: usize) -> Bytes {
        let number = self.contents.fetch_add(1, Ordering::Relaxed);
        let seed = format!("{}-{number}", self.mark);
        // FNV-1a for the seed, then xorshift: the bytes need to differ, not to be secret.
        let fold = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325, fold) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        bytes.into()
    }

    /// A tag of this run.
    pub(super) fn tag(&self, word: &str) -> String {
        format!("hythe-test-{}-{word}", &self.mark[..8])
    }

    /// Pushes a fresh blob for a check that needs one.
    pub(super) async fn blob(&self, length: usize) -> Result<(Digest, Bytes), Stop> {
        let content = self.content(length);
        let pushed = self.repository().push_blob(&content).await;
        Ok((pushed.map_err(|stop| stop.into_skipped("the push of a blob"))?, content))
    }

    /// The shared image, which the first check that needs it pushes.
    pub(super) async fn image(&self) -> Result<&Image, Stop> {
        let pushed = self.image.get_or_init(async || self.push_image(&self.tag("image"), &LAYERS).await);
        pushed.await.as_ref().map_err(|stop| stop.clone().into_skipped("the push of an image"))
    }

    /// Pushes an image with fresh layers of these sizes.
    pub(super) async fn push_image(&self, tag: &str, sizes: &[usize]) -> Result<Image, Stop> {
        let repository = self.repository();
        let mut layers = Vec::new();
        for size in sizes {
            let content = self.content(*size);
            layers.push((repository.push_blob(&content).await?, content));
        }
        let config = self.config();
        let config = (repository.push_blob(&config).await?, config);
        let manifest = image_manifest(&config, &layers, media_type::OCI_MANIFEST);
        let manifest = Bytes::from(manifest.to_string());
        let digest = repository.push_manifest(tag, media_type::OCI_MANIFEST, &manifest).await?;
        Ok(Image { tag: tag.to_owned(), digest, manifest, config, layers })
    }

    /// An image configuration that no other image has.
    pub(super) fn config(&self) -> Bytes {
        let number = self.contents.fetch_add(1, Ordering::Relaxed);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Labels": { "hythe-test": self.mark, "number": number } },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        config.to_string().into()
    }
}

/// The manifest of an image, as OCI or Docker writes it.
pub(super) fn image_manifest(
    config: &(Digest, Bytes),
    layers: &[(Digest, Bytes)],
    media_type: &str,
) -> Value {
    let (of_config, of_layer) = if media_type == media_type::DOCKER_MANIFEST {
        (media_type::DOCKER_CONFIG, media_type::DOCKER_LAYER_GZIP)
    } else {
        (media_type::OCI_CONFIG, media_type::OCI_LAYER_GZIP)
    };
    let layers: Vec<Value> = layers.iter().map(|blob| descriptor(of_layer, blob)).collect();
    json!({
        "schemaVersion": 2, "mediaType": media_type, "config": descriptor(of_config, config), "layers": layers,
    })
}

/// The descriptor of some content.
pub(super) fn descriptor(media_type: &str, (digest, bytes): &(Digest, Bytes)) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
}
