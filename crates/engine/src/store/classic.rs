//! Docker's classic store, which its storage drivers share.
//!
//! ```text
//! ROOT/image/<driver>/imagedb/content/sha256/<image id>              the configuration
//! ROOT/image/<driver>/layerdb/sha256/<chain id>/cache-id             the name of the layer's folder
//!                                              /tar-split.json.gz    how to rebuild the archive
//! ROOT/image/<driver>/distribution/v2metadata-by-diffid/sha256/<DiffID>   blobs in registries that are the layer
//! ROOT/overlay2/<cache id>/diff                                      the layer's files
//! ```

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use hythe_oci::{Algorithm, Digest};
use serde::Deserialize;

use super::confined::Folder;
use super::small_file::{about, read};
use super::{CONFIG, Layer, Origin};
use crate::tar_split;

/// The most bytes of a list of blobs that are a layer.
const ORIGINS: u64 = 1 << 20;

/// Docker's classic store.
pub(super) struct Classic<'a> {
    pub(super) driver: &'a str,
    pub(super) root: &'a Path,
}

/// An entry of `v2metadata-by-diffid`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    digest: Digest,
    #[serde(default)]
    source_repository: String,
}

/// The id of a layer on top of others (image-spec, config.md, Layer `ChainID`).
fn chain_id(diff_ids: &[Digest]) -> Option<Digest> {
    let (first, rest) = diff_ids.split_first()?;
    let on_top = |below: Digest, diff_id: &Digest| {
        Digest::of(Algorithm::Sha256, format!("{below} {diff_id}").as_bytes())
    };
    Some(rest.iter().fold(*first, on_top))
}

impl Classic<'_> {
    fn image(&self) -> PathBuf {
        self.root.join("image").join(self.driver)
    }

    pub(super) fn config(&self, image: &Digest) -> io::Result<Vec<u8>> {
        read(&self.image().join("imagedb/content/sha256").join(image.hex()), CONFIG)
    }

    fn layer(&self, layer: &Layer) -> io::Result<PathBuf> {
        let id = chain_id(&layer.diff_ids).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.image().join("layerdb/sha256").join(id.hex()))
    }

    fn tar_split(&self, layer: &Layer) -> io::Result<impl Read + use<>> {
        let path = self.layer(layer)?.join("tar-split.json.gz");
        Ok(MultiGzDecoder::new(File::open(&path).map_err(about(&path))?))
    }

    /// The folder with the layer's files.
    fn folder(&self, layer: &Layer) -> io::Result<PathBuf> {
        let path = self.layer(layer)?.join("cache-id");
        let id = String::from_utf8(read(&path, 256)?).unwrap_or_default();
        let id = id.trim();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} has no id", path.display())));
        }
        Ok(match self.driver {
            "vfs" => self.root.join("vfs/dir").join(id),
            driver => self.root.join(driver).join(id).join("diff"),
        })
    }

    pub(super) fn size(&self, layer: &Layer) -> io::Result<u64> {
        tar_split::size(self.tar_split(layer)?)
    }

    pub(super) fn origins(&self, layer: &Layer) -> io::Result<Vec<Origin>> {
        let list = self.image().join("distribution/v2metadata-by-diffid/sha256").join(layer.diff_id().hex());
        let entries: Vec<Metadata> = serde_json::from_slice(&read(&list, ORIGINS)?)?;
        let origin = |entry: Metadata| Origin { digest: entry.digest, repository: entry.source_repository };
        // The newest come last.
        Ok(entries.into_iter().rev().map(origin).collect())
    }

    pub(super) fn write(&self, layer: &Layer, out: &mut dyn Write) -> io::Result<()> {
        let tar_split = self.tar_split(layer)?;
        let path = self.folder(layer)?;
        let folder = Folder::open(&path).map_err(about(&path))?;
        tar_split::write(tar_split, |name| folder.file(name), out)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use super::super::{Ask, Form, Store};
    use super::*;
    use crate::sample::{Entry, classic, tar};

    fn store(root: &Path, archives: &[Vec<u8>]) -> (Digest, Vec<Layer>) {
        let (image, diff_ids) = classic(root, b"{}", archives);
        let upto = |end: usize| Layer { image, diff_ids: diff_ids[..=end].to_vec() };
        (image, (0..diff_ids.len()).map(upto).collect())
    }

    fn archive(seed: u8) -> Vec<u8> {
        let entry = |name: &str, size| Entry { name: name.to_owned(), content: vec![seed; size] };
        tar(&[entry("a/one", 3), entry("a/empty", 0), entry("two", 300_000)])
    }

    fn ask(store: &Store, ask: &Ask) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        store.answer(ask, &mut out).map(|()| out)
    }

    #[test]
    fn layers_are_read_from_where_they_lie() {
        let root = tempfile::tempdir().unwrap();
        let archives = [archive(1), archive(2)];
        let (id, layers) = store(root.path(), &archives);
        let store = Store { form: Form::Docker, driver: "overlay2".to_owned(), root: root.path().to_owned() };
        assert_eq!(ask(&store, &Ask::Config(id)).unwrap(), b"{}");
        for (layer, archive) in layers.iter().zip(&archives) {
            assert_eq!(ask(&store, &Ask::Size(layer.clone())).unwrap(), archive.len().to_string().as_bytes());
            for from in [0, 1, 200_000] {
                let bytes = ask(&store, &Ask::Bytes(layer.clone(), from)).unwrap();
                assert!(bytes == archive[from as usize..], "{from}");
            }
            assert_eq!(ask(&store, &Ask::Origins(layer.clone())).unwrap(), b"[]");
        }
        let list = root.path().join("image/overlay2/distribution/v2metadata-by-diffid/sha256");
        fs::create_dir_all(&list).unwrap();
        let entries = format!(
            r#"[{{"Digest":"{id}","SourceRepository":"docker.io/library/old","HMAC":""}},
                {{"Digest":"{id}","SourceRepository":"localhost:5001/app","HMAC":""}}]"#
        );
        fs::write(list.join(layers[1].diff_id().hex()), entries).unwrap();
        let origins: Vec<Origin> =
            serde_json::from_slice(&ask(&store, &Ask::Origins(layers[1].clone())).unwrap()).unwrap();
        assert_eq!(origins[0], Origin { digest: id, repository: "localhost:5001/app".to_owned() });
    }

    #[test]
    fn a_changed_file_is_noticed_before_the_last_byte() {
        let root = tempfile::tempdir().unwrap();
        let (id, layers) = store(root.path(), &[archive(1)]);
        fs::write(root.path().join("overlay2/cache0/diff/two"), vec![9; 300_000]).unwrap();
        let store = Store { form: Form::Docker, driver: "overlay2".to_owned(), root: root.path().to_owned() };
        let error = ask(&store, &Ask::Bytes(layers[0].clone(), 0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("was rebuilt with the digest"), "{error}");
        fs::write(root.path().join("image/overlay2/imagedb/content/sha256").join(id.hex()), "x").unwrap();
        assert!(ask(&store, &Ask::Config(id)).unwrap_err().to_string().contains("has other content"));
        fs::remove_file(root.path().join("overlay2/cache0/diff/a/one")).unwrap();
        let error = ask(&store, &Ask::Bytes(layers[0].clone(), 0)).unwrap_err().to_string();
        assert!(error.starts_with("cannot read a/one: "), "{error}");
    }
}
