//! The folder of a context, seen through its ignore file.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Found, Stat, place};
use crate::ignore::{Matched, Matcher};
use crate::text::path::join;

/// The folder of a context, seen through its ignore file.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(super) root: PathBuf,
    pub(super) ignored: Matcher,
}

/// A file of a folder.
pub(super) struct Child {
    pub(super) path: Vec<u8>,
    pub(super) found: Found,
}

/// A context's folder or a file in it that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl Tree {
    pub(crate) fn open(root: &Path, ignored: Matcher) -> Result<Self, Unreadable> {
        let unreadable = |source| Unreadable { path: root.to_owned(), source };
        let root = root.canonicalize().map_err(unreadable)?;
        if !root.is_dir() {
            let source = io::ErrorKind::NotADirectory.into();
            return Err(Unreadable { path: root, source });
        }
        Ok(Self { root, ignored })
    }

    /// What a path is; `None` if there is nothing. The root is a folder.
    pub(super) fn find(&self, path: &[u8]) -> Result<Option<Found>, Unreadable> {
        if path.is_empty() {
            return Ok(Some(Found::Folder));
        }
        let place = place(&self.root, path);
        match fs::symlink_metadata(&place).and_then(|metadata| found(&place, &metadata)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(Unreadable { path: place, source }),
        }
    }

    /// The files in a folder that are not ignored, with the matches of each folder. A folder that is ignored is listed if the
    /// ignore file may include something in it again; the flag says whether it is ignored itself.
    pub(super) fn children(
        &self,
        folder: &[u8],
        matched: &Matched,
        mut each: impl FnMut(Child, bool, Matched) -> Result<(), Unreadable>,
    ) -> Result<(), Unreadable> {
        let at = place(&self.root, folder);
        let unreadable = |source| Unreadable { path: at.clone(), source };
        for entry in fs::read_dir(&at).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = join(folder, entry.file_name().as_bytes());
            let kind = entry.file_type().map_err(unreadable)?;
            let (is_ignored, matched) = if kind.is_dir() {
                let (is_ignored, matched) = self.ignored.matches_folder(&path, matched);
                if is_ignored && self.ignored.may_skip(&path) {
                    continue;
                }
                (is_ignored, matched)
            } else if self.ignored.matches(&path, matched) {
                continue;
            } else {
                (false, Matched::default())
            };
            let found = if kind.is_dir() {
                Found::Folder
            } else {
                match entry.metadata().and_then(|metadata| found(&entry.path(), &metadata)) {
                    Ok(found) => found,
                    // It was deleted just now.
                    Err(error) if is_missing(&error) => continue,
                    Err(source) => return Err(Unreadable { path: entry.path(), source }),
                }
            };
            each(Child { path, found }, is_ignored, matched)?;
        }
        Ok(())
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn found(place: &Path, metadata: &Metadata) -> io::Result<Found> {
    let kind = metadata.file_type();
    Ok(if kind.is_dir() {
        Found::Folder
    } else if kind.is_symlink() {
        Found::Link(fs::read_link(place)?.into_os_string().into_vec())
    } else if kind.is_file() {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let stat = Stat {
            size: metadata.size(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        };
        // The owner's bit, as git counts it: a umask takes away other bits only.
        Found::File { is_executable: metadata.mode() & 0o100 != 0, stat }
    } else {
        Found::Special
    })
}
