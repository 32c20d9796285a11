//! What a bundle says about itself, in its file `hythe-bundle.json`.

use std::collections::{BTreeMap, BTreeSet};

use hythe_oci::{Algorithm, Descriptor, Digest, ImageName};
use serde::{Deserialize, Serialize};

/// The version of the form of [`Record`].
const VERSION: u32 = 1;

/// What a bundle has, what it left out, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The version of this form.
    pub version: u32,
    /// The images, by their full names.
    pub images: Vec<BundledImage>,
    /// The blobs that the bundle has. Manifests are not listed: every bundle has those of its images.
    pub blobs: Vec<BundledBlob>,
    /// The bundle that this one continues, if it leaves out content of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Digest>,
    /// The blobs of the images that the bundle leaves out, because that earlier bundle, or one before it, has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presumed: Vec<BundledBlob>,
    /// Names of images that were to be in the bundle and could not be found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// An image of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledImage {
    /// The full name, such as `docker.io/library/redis:7`.
    pub name: String,
    /// The digest that the name stands for.
    pub digest: Digest,
    /// The platforms of an index that the bundle has; empty for an image that is no index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// The platforms of the index that the bundle does not have. The index still lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// A blob of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundledBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The first of the repositories that use it, such as `docker.io/library/redis`: once it is loaded, others can mount
    /// it from there.
    pub repository: String,
}

impl Record {
    pub(crate) fn new() -> Self {
        let (images, blobs, since, presumed, missing) = Default::default();
        Self { version: VERSION, images, blobs, since, presumed, missing }
    }

    /// Reads a record.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if record.version > VERSION {
            let version = record.version;
            return Err(format!(
                "a newer hythe wrote it (form {version}, this hythe knows {VERSION}): update hythe"
            ));
        }
        if let Some(image) = record.images.iter().find(|image| image.name.parse::<ImageName>().is_err()) {
            return Err(format!("`{}` is not the name of an image", image.name));
        }
        Ok(record)
    }

    /// The bytes of the record.
    pub(crate) fn write(&self) -> Vec<u8> {
        // Texts, numbers and lists are always JSON.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// What identifies the bundle: the digest of its record, which names all of its content.
    pub fn id(&self) -> Digest {
        Digest::of(Algorithm::Sha256, &self.write())
    }

    /// Leaves out the blobs that an earlier bundle has or presumes.
    pub(crate) fn leave_out(&mut self, earlier: &Self) {
        let known: BTreeMap<&Digest, &BundledBlob> =
            earlier.presumed.iter().chain(&earlier.blobs).map(|blob| (&blob.digest, blob)).collect();
        let (kept, left_out): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.blobs).into_iter().partition(|blob| !known.contains_key(&blob.digest));
        self.blobs = kept;
        self.presumed =
            left_out.iter().filter_map(|blob| known.get(&blob.digest).copied().cloned()).collect();
        self.since = Some(earlier.id());
    }

    /// The digests of the blobs that the bundle leaves out.
    pub(crate) fn presumes(&self) -> BTreeSet<Digest> {
        self.presumed.iter().map(|blob| blob.digest).collect()
    }
}

impl BundledBlob {
    /// A descriptor of the blob.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor {
            media_type: hythe_oci::media_type::OCI_LAYER.to_owned(),
            digest: self.digest,
            size: self.size,
            urls: Vec::new(),
            annotations: None,
            artifact_type: None,
        }
    }
}
