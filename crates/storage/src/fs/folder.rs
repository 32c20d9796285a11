//! Opens the data folder: checks its format and its file system, and locks it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::format::check_format;
use super::mount::network_file_system;
use super::system::check_data_folder;

/// Opens the folder: its absolute path, and its lock.
pub(super) fn open(root: &Path) -> Result<(PathBuf, File), OpenError> {
    let refused = |action| move |source| OpenError::NotWritable { path: root.to_owned(), action, source };
    check_data_folder(root)?;
    std::fs::create_dir_all(root).map_err(refused("cannot create it"))?;
    let root = root.canonicalize().map_err(refused("cannot resolve it"))?;
    if let Some(kind) = network_file_system(&root) {
        return Err(OpenError::NetworkFileSystem { path: root, kind });
    }
    let lock = hold(&root)?;
    check_format(&root)?;
    for folder in ["uploads", "blobs"] {
        std::fs::create_dir_all(root.join(folder)).map_err(refused("cannot create a folder in it"))?;
    }
    // Without these syncs, an acknowledged blob could be lost with its folder: with one of those above, or with one
    // that an earlier process made just before a kill.
    sync_folders(&root).map_err(refused("cannot sync it"))?;
    Ok((root, lock))
}

fn sync_folders(root: &Path) -> io::Result<()> {
    let blobs = root.join("blobs");
    for algorithm in std::fs::read_dir(&blobs)? {
        let algorithm = algorithm?;
        if algorithm.file_type()?.is_dir() {
            File::open(algorithm.path())?.sync_all()?;
        }
    }
    File::open(&blobs)?.sync_all()?;
    File::open(root)?.sync_all()
}

fn hold(root: &Path) -> Result<File, OpenError> {
    let refused = |source| OpenError::NotWritable { path: root.to_owned(), action: "cannot lock it", source };
    let mut file = File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(root.join("lock"))
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            // The owner's process id only makes the message better, so a failure to read it does not matter.
            let _ = file.read_to_string(&mut owner);
            let owner = Some(owner.trim().to_owned()).filter(|owner| !owner.is_empty());
            return Err(OpenError::Locked { path: root.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(refused(error)),
    }
    // The process id overwrites the old content, so that it takes no room on a full disk. If it cannot be written, the
    // message of a second server does not name this one.
    let owner = format!("{:<10}\n", std::process::id());
    let _ = file
        .rewind()
        .and_then(|()| file.write_all(owner.as_bytes()))
        .and_then(|()| file.set_len(owner.len() as u64));
    Ok(file)
}
