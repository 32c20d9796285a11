//! Where the catalog's files are, and whether they are still there.
//!
//! The system lets a process go on writing to files that were removed. What was acknowledged then would be gone with
//! the process.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Which file a path named when the catalog was opened.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// Device and number; `None` where it was not there.
    id: Option<(u64, u64)>,
}

/// The database's file and its log. Asked by path: a second descriptor of either would end SQLite's locks when closed.
#[derive(Debug)]
pub(crate) struct Home([File; 2]);

impl Home {
    /// The files of a catalog that has just been opened.
    pub(crate) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self([path.to_owned(), log.into()].map(|path| File { id: identify(&path).ok(), path }))
    }

    /// An error where a path names another file now, or none. Two system calls.
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
