//! `manifest.json`, the list of images that `docker save` writes and `docker load` reads.

use std::collections::HashMap;
use std::io::Read as _;

use bytes::Bytes;
use hythe_oci::media_type::{OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST};
use hythe_oci::{Algorithm, Descriptor, Digest, HashState, Tag};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{MANIFEST, blob_name};
use crate::error::{Error, Result};
use crate::index_file::IndexFile;
use crate::manifest::Manifest;
use crate::tar_file::{Extent, TarFile};

/// The first bytes of gzip.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An image in the list.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Reads the list of an archive without an OCI layout, and makes a manifest for each image. `made` takes these, and
/// `named` where each blob is.
pub(super) fn images(
    tar: &TarFile,
    list: &[u8],
    made: &mut HashMap<Digest, Bytes>,
    named: &mut HashMap<Digest, Extent>,
) -> Result<IndexFile> {
    let invalid = |reason| Error::Invalid {
        path: tar.path().to_owned(),
        expected: "an archive of `docker save`",
        reason,
    };
    let images: Vec<Image> =
        serde_json::from_slice(list).map_err(|error| invalid(format!("its manifest.json: {error}")))?;
    let (mut index, mut digests) = (IndexFile::default(), HashMap::new());
    for image in images {
        let missing = |name: &str| invalid(format!("manifest.json names `{name}`, which it does not have"));
        let mut describe = |media_type: &str, name: &str| -> Result<serde_json::Value> {
            let place = tar.find(name).ok_or_else(|| missing(name))?;
            let (digest, gzip) = match digests.get(name) {
                Some(known) => *known,
                None => hashed(tar, place)?,
            };
            digests.insert(name.to_owned(), (digest, gzip));
            named.insert(digest, place);
            let media_type = if gzip && media_type == OCI_LAYER { OCI_LAYER_GZIP } else { media_type };
            Ok(json!({ "mediaType": media_type, "digest": digest, "size": place.size }))
        };
        let config = describe(OCI_CONFIG, &image.config)?;
        let layers = image.layers.unwrap_or_default();
        let layers: Vec<_> = layers.iter().map(|layer| describe(OCI_LAYER, layer)).collect::<Result<_>>()?;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
        let bytes = Bytes::from(manifest.to_string());
        let manifest = Manifest::read(Some(OCI_MANIFEST), bytes, Algorithm::Sha256)
            .map_err(|(_, error)| invalid(error.to_string()))?;
        let tags = image.repo_tags.unwrap_or_default();
        let tags: Vec<Tag> = tags.iter().filter_map(|name| name.rsplit_once(':')?.1.parse().ok()).collect();
        index.add(&manifest.descriptor(), &tags);
        made.insert(manifest.digest, manifest.bytes);
    }
    Ok(index)
}

/// The digest of a file in the archive, and whether it is compressed.
fn hashed(tar: &TarFile, place: Extent) -> Result<(Digest, bool)> {
    let failed = || Error::file("cannot read", tar.path());
    let (mut rest, mut piece) = (tar.reader(place).map_err(failed())?, vec![0; MANIFEST as usize]);
    let (mut hash, mut gzip) = (HashState::new(Algorithm::Sha256), false);
    loop {
        let read = rest.read(&mut piece).map_err(failed())?;
        if read == 0 {
            return Ok((hash.finish(), gzip));
        }
        gzip |= hash.length() == 0 && piece[..read].starts_with(&GZIP);
        hash.update(&piece[..read]);
    }
}

/// The list for `docker load`.
pub(super) fn list(repository: &str, images: &[(Manifest, Vec<Tag>)]) -> Vec<u8> {
    let name = |blob: &Descriptor| blob_name(&blob.digest);
    let images: Vec<Image> = images
        .iter()
        .filter_map(|(manifest, tags)| {
            Some(Image {
                config: name(manifest.config.as_ref()?),
                repo_tags: Some(tags.iter().map(|tag| format!("{repository}:{tag}")).collect()),
                layers: Some(manifest.layers.iter().map(name).collect()),
            })
        })
        .collect();
    // Strings in lists are always JSON.
    serde_json::to_vec(&images).unwrap_or_default()
}
