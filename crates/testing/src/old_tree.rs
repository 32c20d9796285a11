//! A `registry:2` data folder, written file by file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hythe_oci::Digest;
use tempfile::TempDir;

use crate::Manifest;

/// A folder with a tree of distribution's file system driver.
#[derive(Debug)]
pub struct OldTree {
    folder: TempDir,
}

impl Default for OldTree {
    fn default() -> Self {
        Self::new()
    }
}

impl OldTree {
    /// An empty tree.
    pub fn new() -> Self {
        let tree =
            Self { folder: TempDir::with_prefix("hythe-old-").expect("a temporary folder can be made") };
        fs::create_dir_all(tree.path("repositories")).expect("the folder is ours");
        tree
    }

    /// The registry's root folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path of the tree.
    pub fn path(&self, rest: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("docker/registry/v2").join(rest)
    }

    /// The file that has the bytes of a digest.
    pub fn data(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.path(format!("blobs/{}/{}/{hex}/data", digest.algorithm(), &hex[..2]))
    }

    /// Writes any file of the tree.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("the folder is ours");
        fs::write(path, bytes).expect("the folder is ours");
    }

    /// Writes a manifest under a tag of a repository, with all content that it names.
    pub fn tag(&self, repository: &str, tag: &str, manifest: &Manifest) {
        self.push(repository, manifest);
        self.write(
            format!("repositories/{repository}/_manifests/tags/{tag}/current/link"),
            manifest.digest().to_string().as_bytes(),
        );
    }

    /// Writes a manifest of a repository, with all content that it names.
    pub fn push(&self, repository: &str, manifest: &Manifest) {
        for blob in &manifest.blobs {
            self.link(repository, "_layers", &Digest::of(manifest.algorithm, blob), blob);
        }
        for listed in &manifest.manifests {
            self.push(repository, listed);
        }
        self.link(repository, "_manifests/revisions", &manifest.digest(), &manifest.bytes);
    }

    /// Writes bytes under a digest, and links them into a repository. The digest may be wrong.
    pub fn link(&self, repository: &str, kind: &str, digest: &Digest, bytes: &[u8]) {
        let (algorithm, hex) = (digest.algorithm(), digest.hex());
        self.write(format!("blobs/{algorithm}/{}/{hex}/data", &hex[..2]), bytes);
        let link = format!("repositories/{repository}/{kind}/{algorithm}/{hex}/link");
        self.write(link, digest.to_string().as_bytes());
    }

    /// Each file of the tree, by its full path: its inode, mode, user id, modification time and bytes. Two equal snapshots
    /// mean that no file was touched in between.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, (u64, u32, u32, SystemTime, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![self.path("")];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).expect("the folder is ours") {
                let path = entry.expect("the folder is ours").path();
                if path.is_dir() {
                    waiting.push(path);
                    continue;
                }
                let found = path.metadata().expect("it is there");
                let modified = found.modified().expect("the file system keeps the time");
                let bytes = fs::read(&path).expect("it is ours");
                files.insert(path, (found.ino(), found.mode(), found.uid(), modified, bytes));
            }
        }
        files
    }
}
