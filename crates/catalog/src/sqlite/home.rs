//! Checks that the catalog's files are still the ones that were opened.
//!
//! The operating system lets a process write to files that were removed. Writes that the catalog then acknowledged
//! would be lost when the process ends.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The file that a path named when the catalog was opened.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// The device and the inode number; `None` if the file did not exist.
    id: Option<(u64, u64)>,
}

/// The database's file and its log. They are checked by path: closing a second descriptor of either file would release
/// SQLite's locks on it.
#[derive(Debug)]
pub(crate) struct Home([File; 2]);

impl Home {
    /// The files of a catalog that has just been opened.
    pub(crate) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self([path.to_owned(), log.into()].map(|path| File { id: identify(&path).ok(), path }))
    }

    /// The database's file.
    pub(crate) fn path(&self) -> &Path {
        &self.0[0].path
    }

    /// Returns an error if a path now names another file, or none. Costs two system calls.
    pub(crate) fn check(&self) -> Result<()> {
        for File { path, id } in &self.0 {
            if id.is_some() && identify(path).ok() != *id {
                return Err(Error::moved(path));
            }
        }
        Ok(())
    }
}

fn identify(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}
