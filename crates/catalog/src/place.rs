//! Puts a catalog that was built anew in the place of a broken one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database: its log, and the log's index.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Moves the catalog at `path` aside, if it exists, and gives its name to the one at `new`. Returns where the old one is
/// now. No process may have either of them open. A kill leaves the old catalog, none, or the new one under the name; after
/// it, the same call with another `aside` ends the work.
pub fn put_in_place(new: &Path, path: &Path, aside: &Path) -> io::Result<Option<PathBuf>> {
    // The log before the database: SQLite would apply a log that is left to the new database.
    let mut moved = false;
    for end in BESIDE.into_iter().chain([""]) {
        match fs::rename(with(path, end), with(aside, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => {
                renamed?;
                moved = true;
            }
        }
    }
    // The order of renames is kept on the disk too.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    fs::rename(new, path)?;
    File::open(folder)?.sync_all()?;
    Ok(moved.then(|| aside.to_owned()))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
