//! Opening the data folder: its version, its lock, its file system.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::mount::network_file_system;

/// The layout that this version writes. A later one may read it; an earlier one must not touch it.
const FORMAT: u32 = 1;

/// The absolute path of the folder, and its lock.
pub(super) fn open(root: &Path) -> Result<(PathBuf, File), OpenError> {
    let refused = |action| move |source| OpenError::NotWritable { path: root.to_owned(), action, source };
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
    // Without this, an acknowledged blob could be lost with its folder: these, or one that was made just before a kill.
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
            // The owner's id only makes the message better.
            let _ = file.read_to_string(&mut owner);
            let owner = Some(owner.trim().to_owned()).filter(|owner| !owner.is_empty());
            return Err(OpenError::Locked { path: root.to_owned(), owner });
        }
        Err(TryLockError::Error(error)) => return Err(refused(error)),
    }
    let write = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(refused)?;
    Ok(file)
}

fn check_format(root: &Path) -> Result<(), OpenError> {
    let refused =
        |source| OpenError::NotWritable { path: root.to_owned(), action: "cannot read its format", source };
    let path = root.join("format");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().parse().is_ok_and(|format: u32| (1..=FORMAT).contains(&format)) => Ok(()),
        // An empty file is what a crash between creating and writing it leaves.
        Ok(text) if !text.trim().is_empty() => {
            Err(OpenError::Newer { path: root.to_owned(), found: text.trim().to_owned(), known: FORMAT })
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(error)),
        _ => std::fs::write(&path, format!("{FORMAT}\n")).map_err(refused),
    }
}
