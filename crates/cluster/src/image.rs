//! hythe's own image, made from the running binary: no other registry is needed to get hythe.

mod binary;
mod node;
mod root;

use std::path::Path;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest};
use serde_json::json;

use binary::Binary;
pub use binary::BinaryError;
pub use hythe_kube::image::{DATA_FOLDER, USER};
pub use node::{NodeError, put};

/// The repository of the image. Engines and nodes get the image from hythe and never ask the repository's host.
pub const REPOSITORY: &str = "localhost/hythe";

/// An image as an archive, which `docker load` and `ctr images import` accept.
#[derive(Clone, Debug)]
pub struct Image {
    /// The image's name. Its tag is hythe's version and the start of the content's digest.
    pub reference: String,
    /// The image's architecture, as images name it.
    pub architecture: String,
    /// The archive.
    pub archive: Bytes,
}

impl Image {
    /// Makes the image of a binary: the given one, or else this process's own.
    pub fn of(binary: Option<&Path>, version: &str) -> Result<Self, BinaryError> {
        let binary = Binary::read(binary)?;
        let layer = root::layer(&binary).map_err(BinaryError::Pack)?;
        let layer_digest = Digest::of(Algorithm::Sha256, &layer);
        let configuration = json!({
            "architecture": binary.architecture,
            "os": "linux",
            "config": {
                // Under the name of registry:2's program, hythe takes that program's commands and settings.
                "Entrypoint": ["/bin/registry"],
                "Cmd": [root::CONFIGURATION],
                "Env": ["PATH=/bin"],
                "ExposedPorts": {"5000/tcp": {}, "5001/tcp": {}},
                "Volumes": {DATA_FOLDER: {}},
                "StopSignal": "SIGTERM",
                "Labels": {
                    "org.opencontainers.image.title": "hythe",
                    "org.opencontainers.image.version": version,
                    "org.opencontainers.image.licenses": "Apache-2.0",
                },
            },
            "rootfs": {"type": "layers", "diff_ids": [layer_digest.to_string()]},
            "history": [{"created_by": format!("hythe {version}")}],
        });
        let configuration = configuration.to_string().into_bytes();
        let id = Digest::of(Algorithm::Sha256, &configuration).hex();
        let reference = format!("{REPOSITORY}:{version}-{}", &id[..12]);
        let manifest = json!([{
            "Config": format!("{id}.json"),
            "RepoTags": [reference],
            "Layers": [format!("{}/layer.tar", layer_digest.hex())],
        }]);
        let archive = root::archive(&[
            (&format!("{id}.json"), &configuration),
            (&format!("{}/layer.tar", layer_digest.hex()), &layer),
            ("manifest.json", manifest.to_string().as_bytes()),
        ]);
        let archive = Bytes::from(archive.map_err(BinaryError::Pack)?);
        Ok(Self { reference, architecture: binary.architecture.to_owned(), archive })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;

    fn entries(archive: &[u8]) -> BTreeMap<String, (tar::Header, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), (entry.header().clone(), content))
        });
        entries.collect()
    }

    #[test]
    fn the_image_has_the_running_binary_and_the_files_that_it_needs() {
        let image = Image::of(None, "1.2.3").unwrap();
        let (name, tag) = image.reference.rsplit_once(':').unwrap();
        assert_eq!(name, "localhost/hythe");
        assert!(tag.starts_with("1.2.3-") && tag.len() == "1.2.3-".len() + 12, "{tag}");
        let outer = entries(&image.archive);
        let (_, layer) = outer.iter().find(|(name, _)| name.ends_with("layer.tar")).unwrap();
        let layer = entries(&layer.1);
        assert_eq!(layer["bin/hythe"].1, std::fs::read("/proc/self/exe").unwrap());
        assert_eq!(layer["bin/hythe"].0.mode().unwrap(), 0o755);
        let data = &layer["var/lib/registry/"].0;
        assert_eq!((data.uid().unwrap(), data.gid().unwrap()), (USER, USER));
        assert_eq!(layer["tmp/"].0.mode().unwrap(), 0o1777);
        assert_eq!(layer["bin/registry"].0.link_name().unwrap().unwrap().to_str(), Some("hythe"));
        // The test's binary is linked dynamically, so the image also has its loader, at the path in the binary.
        assert!(layer.keys().any(|name| name.contains("ld-")), "{:?}", layer.keys());
    }

    #[test]
    fn the_same_binary_makes_the_same_image() {
        let (one, other) = (Image::of(None, "1.2.3").unwrap(), Image::of(None, "1.2.3").unwrap());
        assert_eq!((one.reference, one.archive), (other.reference, other.archive));
    }

    #[test]
    fn a_file_that_is_no_linux_binary_is_refused_with_what_to_do() {
        let error = Image::of(Some(Path::new("/etc/passwd")), "1.2.3").unwrap_err().to_string();
        assert!(error.contains("/etc/passwd is no Linux binary"), "{error}");
        let error = Image::of(Some(Path::new("/nowhere")), "1.2.3").unwrap_err().to_string();
        assert!(error.contains("/nowhere cannot be read"), "{error}");
    }
}
