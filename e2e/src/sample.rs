//! A small image that every engine can unpack: a few layers of one file each, different in every run.

use std::fs::{self, File};
use std::path::Path;

use hythe_oci::{Algorithm, Digest};
use serde_json::json;

use crate::binary::tool;
use crate::command::{program, run};
use crate::content::Content;
use crate::repository::{MANIFEST, Repository};

/// The image, in memory.
pub struct Sample {
    /// The digest of the image's manifest.
    pub digest: Digest,
    /// The digest of the image's config, which engines call the image's id.
    pub id: Digest,
    /// The digests of the image's layers.
    pub layers: Vec<Digest>,
    blobs: Vec<(Digest, Vec<u8>)>,
    manifest: Vec<u8>,
}

impl Sample {
    /// An image with incompressible layers of about these sizes.
    pub fn new(seed: u64, sizes: &[u64]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = fill(folder.path(), seed, sizes);
        Self::pack(folder.path(), &files, &["/layer-0"])
    }

    /// An image whose container runs until it is stopped.
    pub fn busybox(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut files = fill(folder.path(), seed, &[1000]);
        fs::copy(tool("busybox"), folder.path().join("busybox")).expect("the folder is ours");
        files.push("busybox".to_owned());
        Self::pack(folder.path(), &files, &["/busybox", "sleep", "1000000"])
    }

    /// Makes an image with one layer for each of these files.
    fn pack(folder: &Path, files: &[String], command: &[&str]) -> Self {
        let (mut blobs, mut unpacked) = (Vec::new(), Vec::new());
        for name in files {
            let archive = folder.join(format!("{name}.tar"));
            run(program(tool("tar"), ["--mtime=@0", "-C"]).arg(folder).arg("-cf").arg(&archive).arg(name));
            unpacked.push(digest(&fs::read(&archive).expect("tar wrote it")));
            run(program(tool("gzip"), ["-1", "-n"]).arg(&archive));
            let bytes = fs::read(archive.with_extension("tar.gz")).expect("gzip wrote it");
            blobs.push((digest(&bytes), bytes));
        }
        let layers: Vec<Digest> = blobs.iter().map(|(digest, _)| *digest).collect();
        let descriptors: Vec<_> = blobs
            .iter()
            .map(|(digest, bytes)| {
                let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
                json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
            })
            .collect();
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": command},
            "rootfs": {"type": "layers", "diff_ids": unpacked},
            "history": layers.iter().map(|_| json!({"created_by": "hythe-e2e"})).collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes();
        let id = digest(&config);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": config.len()
            },
            "layers": descriptors,
        })
        .to_string()
        .into_bytes();
        blobs.push((id, config));
        Self { digest: digest(&manifest), id, layers, blobs, manifest }
    }

    /// Pushes the image under `tag`.
    pub fn push(&self, repository: &mut Repository<'_>, tag: &str) {
        for (digest, bytes) in &self.blobs {
            let response = repository.push_bytes(bytes, digest).expect("the server answers");
            response.expect(201, &format!("push of blob {digest}"));
        }
        let response = repository.push_manifest(tag, &self.manifest, MANIFEST).expect("the server answers");
        response.expect(201, &format!("push of manifest {tag}"));
    }
}

/// Writes files of random content, and returns their names.
fn fill(folder: &Path, seed: u64, sizes: &[u64]) -> Vec<String> {
    let mut names = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let name = format!("layer-{number}");
        let mut file = File::create(folder.join(&name)).expect("the folder is ours");
        let content = Content::new(seed.wrapping_add(number as u64), *size);
        content.write(0, *size, &mut file).expect("the folder is ours");
        names.push(name);
    }
    names
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}
