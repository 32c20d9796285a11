//! Opens the data folder: checks its format and its file system, and locks it.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::system::check_data_folder;
use crate::OpenError;
use crate::mount::network_file_system;

/// The number of the layout that this version writes. A later version may read this layout; an earlier version must not
/// touch it.
const FORMAT: u32 = 1;

/// The name of the file that holds the layout's number. A folder that has this file is a data folder.
pub(super) const FORMAT_FILE: &str = "format";

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

/// How much of the file `format` is read, in bytes: more than any number has.
const MOST: u64 = 32;

fn check_format(root: &Path) -> Result<(), OpenError> {
    let refused =
        |source| OpenError::NotWritable { path: root.to_owned(), action: "cannot read its format", source };
    let path = root.join(FORMAT_FILE);
    let found = match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(refused(error)),
        Ok(found) if !found.is_file() => {
            return Err(OpenError::Format { path, found: "not a file".to_owned() });
        }
        Ok(_) => {
            let mut bytes = Vec::new();
            let file = File::open(&path).map_err(refused)?;
            file.take(MOST).read_to_end(&mut bytes).map_err(refused)?;
            String::from_utf8_lossy(&bytes).trim().to_owned()
        }
    };
    // A crash between creating and writing the file leaves it empty.
    if found.is_empty() {
        return std::fs::write(&path, format!("{FORMAT}\n")).map_err(refused);
    }
    match found.parse::<u32>() {
        Ok(1..=FORMAT) => Ok(()),
        Ok(newer) if newer > FORMAT => Err(OpenError::Newer { path: root.to_owned(), found, known: FORMAT }),
        _ => Err(OpenError::Format { path, found: format!("`{}`", found.escape_debug()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_is_not_a_number_is_damaged_and_a_later_number_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("format");
        let refusal = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let refusal = check_format(folder.path()).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), content, "the file must not change");
            refusal.to_string()
        };
        assert!(refusal(b"2\n").contains("a newer version"));
        for garbage in [&b"garbage"[..], b"0", b"-1", b"1.0", b"\xff\xfe", &b"9".repeat(1 << 20)] {
            let said = refusal(garbage);
            assert!(said.contains("format") && said.contains("damaged") && said.len() < 600, "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(check_format(folder.path()).unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn an_empty_format_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("format"), "").unwrap();
        check_format(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("format")).unwrap(), "1\n");
    }
}
