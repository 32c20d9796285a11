//! From root to an ordinary user, where `registry serve` is started by root: before anything listens.
//!
//! The kernel has a user for each thread. The one change that holds for all of them, those that libraries started
//! included, is to begin anew: the program is executed again, as that user, in the same process.

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

/// The user, and the group of the same number.
pub(super) const USER: u32 = 1000;

/// The file that says that a folder is hythe's data folder.
pub(in crate::commands) const MARK: &str = "format";
/// hythe's folders in it.
pub(in crate::commands) const FOLDERS: [&str; 2] = ["uploads", "blobs"];

/// Why the server cannot be that user; tried on a thread, which ends with it. From then on the data folder is theirs.
pub(super) fn try_on(data: Option<&Path>, configuration: Option<&Path>) -> Result<(), String> {
    let program =
        std::env::current_exe().map_err(|error| format!("the program's own file is not known: {error}"))?;
    let mut needed = vec![(program, Access::EXEC_OK, "run")];
    needed.extend(configuration.map(|file| (file.to_owned(), Access::READ_OK, "read")));
    let parent = data.and_then(|data| absolute(data).parent().map(Path::to_owned));
    // What is not there yet is made as everybody's to get into.
    let parent = parent.filter(|folder| folder.exists());
    needed.extend(parent.map(|folder| (folder, Access::EXEC_OK, "get into")));
    let tried = std::thread::spawn(move || {
        become_user().map_err(|error| format!("the system refuses the change: {error}"))?;
        needed.iter().try_for_each(|(path, kind, what)| {
            access(path, *kind)
                .map_err(|error| format!("user {USER} could not {what} {}: {error}", path.display()))
        })
    });
    tried.join().unwrap_or_else(|_| Err("the change could not be tried".to_owned()))?;
    let Some(data) = data else { return Ok(()) };
    let given = fs::create_dir_all(data).and_then(|()| chown(data, Some(USER), Some(USER)));
    given.map_err(|error| format!("{} cannot be given to user {USER}: {error}", data.display()))
}

/// The groups first: who is no longer root may not leave them.
fn become_user() -> rustix::io::Result<()> {
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(USER))?;
    set_thread_uid(Uid::from_raw(USER))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Gives what hythe keeps in the data folder to the user. The bytes of blobs stay whose they are: they may be another
/// registry's too, everybody may read them, and who has their folder may remove them.
pub(in crate::commands) fn give(data: &Path, owner: (u32, u32)) -> io::Result<()> {
    for entry in entries(data)?.iter().filter(|entry| is_own_file(&entry.file_name())) {
        give_one(&entry.path(), owner)?;
    }
    for name in FOLDERS {
        let folder = data.join(name);
        for entry in entries(&folder)? {
            // Of one with another name the bytes are somebody else's.
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

/// Whether a file of that name, in a data folder, is hythe's.
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

/// What is in a folder; nothing where it is none.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    if folder.is_dir() { fs::read_dir(folder)?.collect() } else { Ok(Vec::new()) }
}

/// Begins this process anew as the user, with the same arguments. Only returns where that fails.
pub(super) fn begin_anew() -> io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = Command::new(program);
    let mut arguments = std::env::args_os();
    // The name says that it stands for a `registry:2`.
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // With a user, the library leaves every group too.
    command.args(arguments).gid(USER).uid(USER).exec()
}
