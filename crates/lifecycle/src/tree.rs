//! The tree of distribution's file system driver, in which `registry:2` and 3 keep their content.
//!
//! ```text
//! ROOT/docker/registry/v2/
//!   blobs/<algorithm>/<first two hex digits>/<hex>/data          blobs and manifests alike
//!   repositories/<name>/_layers/<algorithm>/<hex>/link           the repository has the blob
//!   repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
//!   repositories/<name>/_manifests/tags/<tag>/current/link       holds the digest
//!   repositories/<name>/_uploads/…                               unfinished uploads
//! ```
//! A name has slashes, and each of its components is a folder. A delete leaves a folder without its `link`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hythe_oci::{Digest, RepositoryName, Tag};

use crate::{Error, Result};

/// The path of the tree below its registry's root folder.
const TREE: &str = "docker/registry/v2";

/// The longest name of a repository, in bytes.
const LONGEST: usize = 255;

/// The longest text of a link that is read, in bytes. The longest digest, a SHA-512 one, has 135.
const LINK: u64 = 256;

/// The tree of another registry. hythe only reads it.
#[derive(Clone, Debug)]
pub struct Tree {
    folder: PathBuf,
}

/// The content of a repository of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: RepositoryName,
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) manifests: BTreeSet<Digest>,
    /// The tags, by the manifest that they name, each with the time of its push, if that is known.
    pub(crate) tags: BTreeMap<Digest, Vec<(Tag, Option<SystemTime>)>>,
}

impl Tree {
    /// The tree below a registry's root folder; `None` if it has no folder `docker/registry/v2/repositories`.
    pub fn in_folder(root: &Path) -> Option<Self> {
        let folder = root.join(TREE);
        folder.join("repositories").is_dir().then_some(Self { folder })
    }

    /// The folder of the tree.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the file with the bytes of a digest, whether or not the file exists.
    pub(crate) fn data(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let mut path = self.folder.join("blobs");
        path.extend([digest.algorithm().as_str(), &hex[..2], &hex, "data"]);
        path
    }

    /// All repositories, in the order of their names' components. Blocking.
    pub(crate) fn repositories(&self) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        walk(&self.folder.join("repositories"), "", &mut found)?;
        Ok(found)
    }
}

fn walk(folder: &Path, name: &str, found: &mut Vec<Found>) -> Result<()> {
    let mut holds = false;
    for entry in list(folder)? {
        let path = entry.path();
        let Some(component) = entry.file_name().to_str().map(str::to_owned) else {
            tracing::warn!(folder = %path.display(), "a folder is not imported: no repository can have its name");
            continue;
        };
        if component.starts_with('_') {
            holds |= matches!(component.as_str(), "_layers" | "_manifests");
        // The limit of the length ends a circle of symbolic links; no repository has a longer name.
        } else if name.len() <= LONGEST && path.is_dir() {
            let name = if name.is_empty() { component } else { format!("{name}/{component}") };
            walk(&path, &name, found)?;
        }
    }
    if !holds {
        return Ok(());
    }
    match name.parse() {
        Ok(name) => found.push(repository(folder, name)?),
        Err(error) => tracing::warn!(repository = name, %error, "a repository is not imported"),
    }
    Ok(())
}

fn repository(folder: &Path, name: RepositoryName) -> Result<Found> {
    let manifests = folder.join("_manifests");
    let mut tags: BTreeMap<Digest, Vec<(Tag, Option<SystemTime>)>> = BTreeMap::new();
    for entry in list(&manifests.join("tags"))? {
        let link = entry.path().join("current/link");
        let said = match read_link(&link) {
            Ok(said) => said,
            // A delete leaves a folder without a link.
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(Error::tree(&link)(error)),
        };
        let tag = entry.file_name().to_string_lossy().into_owned();
        let Some(said) = said else {
            tracing::warn!(repository = %name, tag, link = %link.display(), "a tag is not imported: its link is not a file");
            continue;
        };
        if let (Ok(tag), Ok(digest)) = (tag.parse(), said.trim().parse()) {
            // The registry writes the link anew at each push of the tag.
            let pushed = fs::metadata(&link).and_then(|link| link.modified()).ok();
            tags.entry(digest).or_default().push((tag, pushed));
        } else {
            tracing::warn!(repository = %name, tag, names = %said.escape_debug(), "a tag is not imported: its name or its digest is malformed");
        }
    }
    Ok(Found {
        blobs: links(&folder.join("_layers"), &name)?,
        manifests: links(&manifests.join("revisions"), &name)?,
        tags,
        name,
    })
}

/// The start of a link's text. Bytes that are not UTF-8 are replaced: they make the digest malformed, not the tree
/// unreadable. `None` if the link is not a file: reading a pipe would wait for a writer.
fn read_link(path: &Path) -> io::Result<Option<String>> {
    if !fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LINK).read_to_end(&mut bytes)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The digests that have a link. The digest is taken from the link's path, because a crash may have left the file
/// empty.
fn links(folder: &Path, name: &RepositoryName) -> Result<BTreeSet<Digest>> {
    let mut digests = BTreeSet::new();
    for algorithm in list(folder)? {
        for entry in list(&algorithm.path())? {
            if !entry.path().join("link").is_file() {
                continue;
            }
            let (algorithm, hex) = (algorithm.file_name(), entry.file_name());
            let digest = format!("{}:{}", algorithm.to_string_lossy(), hex.to_string_lossy());
            match digest.parse() {
                Ok(digest) => drop(digests.insert(digest)),
                Err(error) => tracing::warn!(repository = %name, %error, "a link is not imported"),
            }
        }
    }
    Ok(digests)
}

/// The entries of a folder, in the order of their names; none if the folder does not exist, or is not a folder.
fn list(folder: &Path) -> Result<Vec<DirEntry>> {
    let read = || fs::read_dir(folder)?.collect::<io::Result<Vec<DirEntry>>>();
    match read() {
        Ok(mut entries) => {
            entries.sort_by_key(DirEntry::file_name);
            Ok(entries)
        }
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(Error::tree(folder)(error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_tree_can_be_read_however_strange(files in prop::collection::vec(
            (prop::collection::vec("[a-zA-Z._ -]{1,12}|_layers|_manifests|tags|revisions|current|link|sha256", 1..7), prop::collection::vec(any::<u8>(), 0..80)), 0..12,
        )) {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join(TREE).join("repositories");
            fs::create_dir_all(&folder).unwrap();
            for (components, bytes) in files {
                let path = components.iter().filter(|name| !matches!(name.as_str(), "." | ".."))
                    .fold(folder.clone(), |path, name| path.join(name));
                // A file in the place of a needed folder, or the other way round, is skipped.
                if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                    let _ = fs::write(path, bytes);
                }
            }
            let found = Tree::in_folder(root.path()).unwrap().repositories().unwrap();
            prop_assert!(found.iter().all(|found| found.blobs.is_empty() || found.name.as_str().len() < 256));
        }
    }
}
