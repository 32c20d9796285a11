//! `hythe forget FOLDER`: deletes hythe's files in a data folder, and nothing else in it.

use std::fs;
use std::io;
use std::path::Path;

use super::serve;
use crate::failure::{Failure, FileError};

/// Deletes a registry's data. No server may be using it.
pub(super) fn forget(folder: &Path) -> Result<(), Failure> {
    delete(folder).map_err(|error| FileError::Delete { folder: folder.to_owned(), error }.into())
}

/// Deletes the mark of hythe's folder last: an interrupted run can then be repeated.
fn delete(folder: &Path) -> io::Result<()> {
    let mark = folder.join(serve::MARK);
    if !mark.is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == serve::MARK {
            continue;
        }
        if serve::FOLDERS.iter().any(|folder| name == *folder) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if serve::is_own_file(&name) && !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hythes_files_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["blobs/sha256/aa", "uploads", "docker/registry/v2", "src"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        let own =
            ["format", "lock", "reserve", "catalog.sqlite", "catalog.sqlite-wal", "blobs/sha256/aa/aabb"];
        for name in own.into_iter().chain(["README.md", "docker/registry/v2/x"]) {
            fs::write(at(name), "1").unwrap();
        }
        // A blob that hythe and another registry share by hard link.
        fs::hard_link(at("docker/registry/v2/x"), at("blobs/sha256/aa/ccdd")).unwrap();
        forget(folder.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["README.md", "docker", "src"]);
        assert_eq!(fs::read(at("docker/registry/v2/x")).unwrap(), b"1");
        forget(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_hythes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("blobs")).unwrap();
        fs::write(folder.path().join("blobs/mine"), "x").unwrap();
        forget(folder.path()).unwrap();
        assert!(folder.path().join("blobs/mine").is_file());
    }

    #[test]
    fn a_link_among_the_entries_is_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("format"), "1").unwrap();
        fs::write(other.path().join("mine"), "x").unwrap();
        std::os::unix::fs::symlink(other.path(), folder.path().join("blobs")).unwrap();
        forget(folder.path()).unwrap();
        assert!(other.path().join("mine").is_file());
    }
}
