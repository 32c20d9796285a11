//! The folder in which all contenders keep their data.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};

/// A folder of this run alone; removed at its end.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    /// Held while the run lasts: two benches at once would measure each other.
    _lock: File,
}

impl Workspace {
    /// Takes `hythe-bench` in `parent` (the system's temporary folder by default), which must have `needed` bytes free.
    /// A fixed name, so that what an interrupted run left is removed by the next.
    pub(crate) fn open(parent: Option<PathBuf>, needed: u64) -> Result<Self> {
        let parent = parent.unwrap_or_else(env::temp_dir);
        fs::create_dir_all(&parent).context(|| format!("creating {}", parent.display()))?;
        // Contenders run in their own folders: a relative path would be another one there.
        let parent = parent.canonicalize().context(|| format!("finding {}", parent.display()))?;
        let lock_path = parent.join("hythe-bench.lock");
        let what = || format!("locking {}", lock_path.display());
        let lock = File::create(&lock_path).context(what)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Setup(format!(
                    "another bench runs in {}; wait for its end",
                    parent.display()
                )));
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { what: what(), source }),
        }
        let path = parent.join("hythe-bench");
        wipe(&path)?;
        let free =
            rustix::fs::statvfs(&parent).context(|| format!("asking {} for its space", parent.display()))?;
        let free = free.f_bavail * free.f_frsize;
        if free < needed {
            return Err(Error::Setup(format!(
                "{} has {} MiB free, and the bench needs {} MiB: name another folder with --dir, or a smaller --size",
                parent.display(),
                free >> 20,
                needed >> 20
            )));
        }
        fs::create_dir(&path).context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes back what is dirty, so that one contender's writes are not charged to the next.
    pub(crate) fn settle(&self) -> Result<()> {
        let what = || format!("syncing {}", self.path.display());
        let dir = File::open(&self.path).context(what)?;
        rustix::fs::syncfs(dir).context(what)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run, which says why it cannot.
        let _ = wipe(&self.path);
    }
}

/// Removes a folder that may not be there.
pub(crate) fn wipe(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
