//! A fingerprint of a folder. Two file systems with the same names, modes, links and bytes have the same fingerprint.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::content::Hashing;

/// Paths that an engine mounts over a container's root, so that they differ from the image.
const ENGINES: [&str; 9] =
    [".dockerenv", "dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "proc", "run", "sys"];

/// Path → kind, mode, owner and content.
pub type Tree = BTreeMap<String, String>;

/// The fingerprint of the root file system at `root`.
pub fn of(root: &Path) -> Tree {
    let mut tree = Tree::new();
    add(root, root, &mut tree);
    assert!(
        tree.len() > 1000,
        "{} has only {} entries: this is not a root file system",
        root.display(),
        tree.len()
    );
    tree
}

fn add(root: &Path, folder: &Path, tree: &mut Tree) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder stays readable").path();
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
        if ENGINES.contains(&name.as_str()) {
            continue;
        }
        let meta = path.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let kind = meta.file_type();
        let content = if kind.is_symlink() {
            format!("-> {}", path.read_link().expect("it is a link").display())
        } else if kind.is_file() {
            digest_of(&path)
        } else if kind.is_dir() {
            "folder".to_owned()
        } else {
            format!("special {}", if kind.is_fifo() { "pipe" } else { "other" })
        };
        tree.insert(name, format!("{:o} {}:{} {content}", meta.mode(), meta.uid(), meta.gid()));
        if kind.is_dir() {
            add(root, &path, tree);
        }
    }
}

fn digest_of(path: &Path) -> String {
    let mut hash = Hashing::new();
    let mut file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    io::copy(&mut file, &mut hash).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hash.finish().to_string()
}

/// Asserts that the two are equal, and shows the first differences otherwise.
pub fn assert_same(expected: &Tree, found: &Tree) {
    let differences: Vec<String> = expected
        .keys()
        .chain(found.keys().filter(|key| !expected.contains_key(*key)))
        .filter(|key| expected.get(*key) != found.get(*key))
        .map(|key| format!("{key}: expected {:?}, found {:?}", expected.get(key), found.get(key)))
        .take(20)
        .collect();
    assert!(differences.is_empty(), "the file systems differ:\n{}", differences.join("\n"));
}
