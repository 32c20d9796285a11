//! How a server that root started with `registry serve` becomes an ordinary user, before it listens.
//!
//! The kernel keeps a user per thread. Only executing the program again, as that user and in the same process, changes
//! the user of every thread, those of libraries included.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::{MetadataExt, chown, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Access, access};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// The id of the server's user, and of its group.
pub(super) const USER: u32 = 1000;

/// The file that marks a folder as hythe's data folder.
pub(in crate::commands) const MARK: &str = "format";
/// hythe's folders in its data folder.
pub(in crate::commands) const FOLDERS: [&str; 4] = ["uploads", "blobs", "journal", "quarantine"];

/// Checks that the server can run as that user and read `files`, and gives the data folder to the user. The error says why it cannot.
/// The check becomes the user on a thread of its own, which ends afterwards, so that the process is still root.
pub(super) fn try_on<'a>(
    data: Option<&Path>,
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("cannot find the program's own file: {error}"))?;
    let mut needed = vec![(program, Access::EXEC_OK, "run")];
    needed.extend(files.map(|file| (file.clone(), Access::READ_OK, "read")));
    let parent = data.and_then(|data| absolute(data).parent().map(Path::to_owned));
    // A parent that does not exist yet is made later, open to every user.
    let parent = parent.filter(|folder| folder.exists());
    needed.extend(parent.map(|folder| (folder, Access::EXEC_OK, "get into")));
    let tried = std::thread::spawn(move || {
        become_user().map_err(|error| format!("the system refuses to change the user: {error}"))?;
        needed.iter().try_for_each(|(path, kind, what)| {
            access(path, *kind)
                .map_err(|error| format!("user {USER} cannot {what} {}: {error}", path.display()))
        })
    });
    tried.join().unwrap_or_else(|_| Err("trying to change the user failed".to_owned()))?;
    let Some(data) = data else { return Ok(()) };
    let given = fs::create_dir_all(data).and_then(|()| chown(data, Some(USER), Some(USER)));
    given.map_err(|error| format!("cannot give {} to user {USER}: {error}", data.display()))
}

/// Leaves the groups first: only root may do that.
fn become_user() -> rustix::io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(USER))?;
    set_thread_uid(Uid::from_raw(USER))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Gives hythe's own files and folders in the data folder to the user. Blob files keep their owner: another registry
/// may share them by hard link. Every user may read them, and the owner of their folder may remove them.
pub(in crate::commands) fn give(data: &Path, owner: (u32, u32)) -> io::Result<()> {
    for entry in entries(data)?.iter().filter(|entry| is_own_file(&entry.file_name())) {
        give_one(&entry.path(), owner)?;
    }
    for name in FOLDERS {
        let folder = data.join(name);
        for entry in entries(&folder)? {
            // A file with another hard link is also somebody else's.
            if entry.metadata()?.is_dir() || entry.metadata()?.nlink() == 1 {
                give_one(&entry.path(), owner)?;
            }
            for folder in entries(&entry.path())?.iter().filter(|inner| inner.path().is_dir()) {
                give_one(&folder.path(), owner)?;
            }
        }
        if folder.is_dir() {
            give_one(&folder, owner)?;
        }
    }
    Ok(())
}

/// Whether a file of this name in a data folder is hythe's.
pub(in crate::commands) fn is_own_file(name: &OsStr) -> bool {
    name == MARK
        || name == "lock"
        || name == "reserve"
        || name.as_encoded_bytes().starts_with(b"catalog.sqlite")
}

fn give_one(path: &Path, owner: (u32, u32)) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if (found.uid(), found.gid()) == owner { Ok(()) } else { lchown(path, Some(owner.0), Some(owner.1)) }
}

/// The entries of a folder; none if the path is not a folder.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    if folder.is_dir() { fs::read_dir(folder)?.collect() } else { Ok(Vec::new()) }
}

/// Executes this program again as the user, in the same process and with the same arguments. Returns only if that
/// fails.
pub(super) fn begin_anew() -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    let mut arguments = std::env::args_os();
    // The program's name selects the commands of a `registry:2`.
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // With a user given, the standard library leaves every other group too.
    command.args(arguments).gid(USER).uid(USER).exec()
}
