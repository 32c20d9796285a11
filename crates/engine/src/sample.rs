//! Archives and tar-split files for tests.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hythe_oci::{Algorithm, Digest};
use serde_json::json;

/// A file of a sample archive.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// An archive with these files.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        archive.append_data(&mut header, &entry.name, &*entry.content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// The tar-split file of an archive, and the content of its files.
pub(crate) fn split(archive: &[u8]) -> (Vec<u8>, Vec<(PathBuf, Vec<u8>)>) {
    let (mut lines, mut files, mut at) = (Vec::new(), Vec::new(), 0);
    let segment =
        |bytes: &[u8]| json!({ "type": 2, "payload": BASE64_STANDARD.encode(bytes), "position": 0 });
    let mut reading = tar::Archive::new(archive);
    for entry in reading.entries().unwrap() {
        let entry = entry.unwrap();
        let (start, size) = (entry.raw_file_position() as usize, entry.size() as usize);
        lines.push(segment(&archive[at..start]));
        let name = entry.path().unwrap().into_owned();
        lines.push(json!({ "type": 1, "name": name, "size": size, "payload": "AAAA", "position": 1 }));
        files.retain(|(other, _)| *other != name);
        files.push((name, archive[start..start + size].to_vec()));
        at = start + size;
    }
    lines.push(segment(&archive[at..]));
    let lines: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    (lines.into_bytes(), files)
}

/// Puts an image with these layers into a classic store, and returns its id and `DiffIDs`.
pub(crate) fn classic(root: &Path, config: &[u8], archives: &[Vec<u8>]) -> (Digest, Vec<Digest>) {
    let put = |path: PathBuf, content: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let image = root.join("image/overlay2");
    let (mut diff_ids, mut chain): (Vec<Digest>, Option<Digest>) = (Vec::new(), None);
    let id = Digest::of(Algorithm::Sha256, config);
    put(image.join("imagedb/content/sha256").join(id.hex()), config);
    for (number, archive) in archives.iter().enumerate() {
        let diff_id = Digest::of(Algorithm::Sha256, archive);
        diff_ids.push(diff_id);
        let chain_id = chain
            .map_or(diff_id, |below| Digest::of(Algorithm::Sha256, format!("{below} {diff_id}").as_bytes()));
        chain = Some(chain_id);
        let place = image.join("layerdb/sha256").join(chain_id.hex());
        put(place.join("cache-id"), format!("cache{number}").as_bytes());
        let (lines, files) = split(archive);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&lines).unwrap();
        put(place.join("tar-split.json.gz"), &gzip.finish().unwrap());
        for (name, content) in files {
            put(root.join(format!("overlay2/cache{number}/diff")).join(name), &content);
        }
    }
    (id, diff_ids)
}
