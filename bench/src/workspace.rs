//! The folder in which all contenders keep their data.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Context as _, Error, Result};

/// A folder of this run. It is removed at the end of the run.
#[derive(Debug)]
pub(crate) struct Workspace {
    path: PathBuf,
    /// Held during the run: two benches at the same time would disturb each other's measurements.
    _lock: File,
}

impl Workspace {
    /// Creates the folder `hythe-bench` in `parent` (by default the system's temporary folder), which must have
    /// `needed` bytes free. The name is fixed, so that the next run removes the data of an interrupted run.
    pub(crate) fn open(parent: Option<PathBuf>, needed: u64) -> Result<Self> {
        let parent = parent.unwrap_or_else(env::temp_dir);
        fs::create_dir_all(&parent).context(|| format!("creating {}", parent.display()))?;
        // Contenders run in their own folders, where a relative path would mean another folder.
        let parent = parent.canonicalize().context(|| format!("finding {}", parent.display()))?;
        let lock_path = parent.join("hythe-bench.lock");
        let what = || format!("locking {}", lock_path.display());
        let lock = File::create(&lock_path).context(what)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Setup(format!(
                    "another bench is running in {}: wait until it ends",
                    parent.display()
                )));
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { what: what(), source }),
        }
        let path = parent.join("hythe-bench");
        wipe(&path)?;
        let free = rustix::fs::statvfs(&parent)
            .context(|| format!("reading the free space of {}", parent.display()))?;
        let free = free.f_bavail * free.f_frsize;
        if free < needed {
            return Err(Error::Setup(format!(
                "{} has {} MiB free, but the bench needs {} MiB: choose another folder with --dir, or a smaller --size",
                parent.display(),
                free >> 20,
                needed >> 20
            )));
        }
        fs::create_dir(&path).context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes dirty pages back to the disk, so that one contender's writes do not slow down the next contender.
    pub(crate) fn settle(&self) -> Result<()> {
        let what = || format!("syncing {}", self.path.display());
        let dir = File::open(&self.path).context(what)?;
        rustix::fs::syncfs(dir).context(what)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // If the folder cannot be removed now, the next run removes it or reports why it cannot.
        let _ = wipe(&self.path);
    }
}

/// Removes a folder, if it exists.
pub(crate) fn wipe(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
