//! The store of Podman, Buildah and Skopeo (containers-storage).
//!
//! ```text
//! ROOT/<driver>-images/images.json                   each image with its topmost layer
//! ROOT/<driver>-images/<image id>/=<base64 of key>   the configuration, under the key sha256:<image id>
//! ROOT/<driver>-layers/layers.json                   each layer with its parent and its digests
//! ROOT/<driver>-layers/<layer id>.tar-split.gz       how to rebuild the archive
//! ROOT/overlay/<layer id>/diff, ROOT/vfs/dir/<layer id>
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use hythe_oci::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::confined::Folder;
use super::small_file::{about, read};
use super::{CONFIG, Layer, Origin};
use crate::tar_split;

/// The most bytes of the list of images or layers.
const LIST: u64 = 64 << 20;

/// The number of gzip in the list of layers.
const GZIP: u8 = 2;

/// Podman's store.
pub(super) struct Podman<'a> {
    pub(super) driver: &'a str,
    pub(super) root: &'a Path,
}

#[derive(Deserialize)]
struct ListedImage {
    id: String,
    layer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ListedLayer {
    id: String,
    parent: Option<String>,
    /// The digest under which the layer was pulled.
    compressed_diff_digest: Option<Digest>,
    /// How it was compressed then.
    compression: Option<u8>,
}

impl Podman<'_> {
    fn list<T: DeserializeOwned>(&self, of: &str) -> io::Result<Vec<T>> {
        let path = self.root.join(format!("{}-{of}", self.driver)).join(format!("{of}.json"));
        Ok(serde_json::from_slice(&read(&path, LIST)?)?)
    }

    pub(super) fn config(&self, image: &Digest) -> io::Result<Vec<u8>> {
        let key = format!("={}", BASE64_STANDARD.encode(image.to_string()));
        read(&self.root.join(format!("{}-images", self.driver)).join(image.hex()).join(key), CONFIG)
    }

    /// The entry of a layer: from the image's topmost layer down to it.
    fn find(&self, layer: &Layer) -> io::Result<ListedLayer> {
        let missing =
            |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("the store has no {what}"));
        let images: Vec<ListedImage> = self.list("images")?;
        let image = images.into_iter().find(|image| image.id == layer.image.hex());
        let top = image.and_then(|image| image.layer).ok_or_else(|| missing("layers of the image"))?;
        let mut layers: Vec<ListedLayer> = self.list("layers")?;
        let (mut chain, mut id) = (Vec::new(), top);
        while !id.is_empty() {
            // Taking each entry out ends a circle.
            let at = layers.iter().position(|layer| layer.id == id);
            let found = layers.swap_remove(at.ok_or_else(|| missing("layer of the image"))?);
            id = found.parent.clone().unwrap_or_default();
            chain.push(found);
        }
        // The lowest layer comes last.
        let at = chain
            .len()
            .checked_sub(layer.diff_ids.len())
            .ok_or_else(|| missing("such layer of the image"))?;
        let found = chain.swap_remove(at);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric();
        if found.id.bytes().all(is_plain) { Ok(found) } else { Err(missing("layer with a valid id")) }
    }

    fn tar_split(&self, id: &str) -> io::Result<impl Read + use<>> {
        let path = self.root.join(format!("{}-layers", self.driver)).join(format!("{id}.tar-split.gz"));
        Ok(MultiGzDecoder::new(File::open(&path).map_err(about(&path))?))
    }

    pub(super) fn size(&self, layer: &Layer) -> io::Result<u64> {
        tar_split::size(self.tar_split(&self.find(layer)?.id)?)
    }

    pub(super) fn origins(&self, layer: &Layer) -> io::Result<Vec<Origin>> {
        let found = self.find(layer)?;
        let gzip = found.compressed_diff_digest.filter(|_| found.compression == Some(GZIP));
        Ok(gzip.map(|digest| Origin { digest, repository: String::new() }).into_iter().collect())
    }

    fn folder(&self, id: &str) -> PathBuf {
        match self.driver {
            "vfs" => self.root.join("vfs/dir").join(id),
            driver => self.root.join(driver).join(id).join("diff"),
        }
    }

    pub(super) fn write(&self, layer: &Layer, out: &mut dyn Write) -> io::Result<()> {
        let id = self.find(layer)?.id;
        let tar_split = self.tar_split(&id)?;
        let path = self.folder(&id);
        let folder = Folder::open(&path).map_err(about(&path))?;
        tar_split::write(tar_split, |name| folder.file(name), out)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use hythe_oci::Algorithm;
    use serde_json::json;

    use super::super::{Ask, Form, Store};
    use super::*;
    use crate::sample::{Entry, split, tar};

    #[test]
    fn layers_are_found_from_the_image_down() {
        for driver in ["overlay", "vfs"] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path();
            let put = |path: String, content: &[u8]| {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            };
            let id = Digest::of(Algorithm::Sha256, b"{}");
            let key = BASE64_STANDARD.encode(id.to_string());
            put(format!("{driver}-images/{}/={key}", id.hex()), b"{}");
            put(
                format!("{driver}-images/images.json"),
                json!([{"id": id.hex(), "layer": "two"}]).to_string().as_bytes(),
            );
            let compressed = Digest::of(Algorithm::Sha256, b"compressed");
            let list = json!([
                {"id": "two", "parent": "one", "compressed-diff-digest": compressed.to_string(), "compression": 2},
                {"id": "other"},
                {"id": "one"},
            ]);
            put(format!("{driver}-layers/layers.json"), list.to_string().as_bytes());
            let mut diff_ids = Vec::new();
            let store = Store { form: Form::Podman, driver: driver.to_owned(), root: root.to_owned() };
            let ask = |ask: Ask| {
                let mut out = Vec::new();
                store.answer(&ask, &mut out).map(|()| out)
            };
            assert_eq!(ask(Ask::Config(id)).unwrap(), b"{}");
            for name in ["one", "two"] {
                let archive =
                    tar(&[Entry { name: format!("etc/{name}"), content: name.as_bytes().to_vec() }]);
                let (lines, files) = split(&archive);
                let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
                gzip.write_all(&lines).unwrap();
                put(format!("{driver}-layers/{name}.tar-split.gz"), &gzip.finish().unwrap());
                let place =
                    if driver == "vfs" { format!("vfs/dir/{name}") } else { format!("{driver}/{name}/diff") };
                for (file, content) in files {
                    put(format!("{place}/{}", file.display()), &content);
                }
                diff_ids.push(Digest::of(Algorithm::Sha256, &archive));
                let layer = Layer { image: id, diff_ids: diff_ids.clone() };
                assert_eq!(ask(Ask::Bytes(layer.clone(), 0)).unwrap(), archive);
                assert_eq!(ask(Ask::Size(layer.clone())).unwrap(), archive.len().to_string().as_bytes());
                let origins: Vec<Origin> =
                    serde_json::from_slice(&ask(Ask::Origins(layer)).unwrap()).unwrap();
                assert_eq!(
                    origins.first().map(|origin| origin.digest),
                    (name == "two").then_some(compressed)
                );
            }
            let more = Layer { image: id, diff_ids: vec![id; 3] };
            assert!(ask(Ask::Size(more)).unwrap_err().to_string().contains("no such layer"));
        }
    }
}
