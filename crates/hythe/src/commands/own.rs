//! `hythe own FOLDER`: gives a folder to the server's user, before the server starts as that user.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
use std::path::Path;

use super::{import, serve};
use crate::config::Environment;
use crate::failure::{Failure, FileError};

/// Creates the folder if it does not exist, and gives it to the owner with all its content.
pub(super) fn own(folder: &Path, owner: (u32, u32)) -> Result<(), Failure> {
    give(folder, owner).map_err(|error| not_given(folder, owner, error))
}

/// Imports a registry:2's content in the folder, and gives only the files that the import made to the owner. The
/// registry:2's files keep theirs.
pub(super) fn import(folder: &Path, owner: (u32, u32), environment: &Environment) -> Result<(), Failure> {
    import::import_in_place(folder, environment)?;
    let given = std::os::unix::fs::chown(folder, Some(owner.0), Some(owner.1));
    given.and_then(|()| serve::give(folder, owner)).map_err(|error| not_given(folder, owner, error))
}

fn not_given(folder: &Path, (user, _): (u32, u32), error: io::Error) -> Failure {
    FileError::Give { folder: folder.to_owned(), user, error }.into()
}

/// Gives the folder itself last: if the command is interrupted before that, the next run starts again. Once the folder
/// is the owner's, later runs need not walk its content, however many blobs it has.
fn give(folder: &Path, owner: (u32, u32)) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    let is_theirs = |metadata: &fs::Metadata| (metadata.uid(), metadata.gid()) == owner;
    if is_theirs(&fs::metadata(folder)?) {
        return Ok(());
    }
    give_contents(folder, owner)?;
    std::os::unix::fs::chown(folder, Some(owner.0), Some(owner.1))
}

/// Gives symbolic links themselves, not their targets: these may be any file of the node.
fn give_contents(folder: &Path, owner: (u32, u32)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_contents(&entry.path(), owner)?;
        }
        lchown(entry.path(), Some(owner.0), Some(owner.1))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_id() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_missing_folder_is_created() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        own(&folder, (own_id(), rustix::process::getegid().as_raw())).unwrap();
        assert!(folder.is_dir());
    }

    #[test]
    fn everything_is_given_except_the_targets_of_links() {
        if own_id() != 0 {
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        fs::write(folder.join("blobs/sha256/aa"), "x").unwrap();
        let outside = parent.path().join("outside");
        fs::write(&outside, "x").unwrap();
        std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
        own(&folder, (1000, 1000)).unwrap();
        for path in ["", "blobs", "blobs/sha256", "blobs/sha256/aa", "link"] {
            assert_eq!(fs::symlink_metadata(folder.join(path)).unwrap().uid(), 1000, "{path}");
        }
        assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
        // A folder that is the owner's already is not walked again.
        fs::write(folder.join("later"), "x").unwrap();
        own(&folder, (1000, 1000)).unwrap();
        assert_eq!(fs::metadata(folder.join("later")).unwrap().uid(), 0);
    }

    #[test]
    fn an_error_names_the_capabilities_that_are_needed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = own(file.path(), (own_id().wrapping_add(1), 1)).unwrap_err().to_string();
        assert!(error.contains("CHOWN"), "{error}");
    }
}
