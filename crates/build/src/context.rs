//! The files of a context that a build reads, less its ignore file.

mod hash;
mod select;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) use hash::hash_files;
pub(crate) use select::{Filter, Selection};
pub(crate) use tree::{Tree, Unreadable};

/// A selected file, before its bytes are read. Paths are relative to the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    File { is_executable: bool, stat: Stat },
    Link(Vec<u8>),
    Folder,
    Special,
}

/// What tells that a file's bytes are still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i128,
    /// Nanoseconds since 1970.
    pub(crate) changed: i128,
    pub(crate) inode: u64,
    pub(crate) device: u64,
}

/// The selected files of a context.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The context's folder, without symbolic links.
    pub(crate) root: PathBuf,
    pub(crate) found: BTreeMap<Vec<u8>, Found>,
}

/// A path within a folder.
pub(crate) fn place(root: &Path, path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    root.join(std::ffi::OsStr::from_bytes(path))
}
