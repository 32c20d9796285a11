//! What takes long to make: made by whoever asks first, and kept between runs beside what cargo built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::binary::tool;
use crate::command::{program, run};

/// The folder called `recipe`, which `make` fills if it is not there: the name changes with what it makes.
pub fn cached(recipe: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let cache = cache();
    let folder = cache.join(recipe);
    fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    // Suites run beside each other: the second waits for what the first one makes.
    let lock = File::create(cache.join(format!("{recipe}.lock"))).expect("the cache is ours");
    lock.lock().expect("the file system has locks");
    if !folder.exists() {
        let making = cache.join(format!("{recipe}.making"));
        if making.exists() {
            remove(&making);
        }
        fs::create_dir(&making).expect("the cache is ours");
        make(&making);
        fs::rename(&making, &folder).expect("one file system");
    }
    folder
}

fn cache() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    target.join("e2e")
}

/// Deletes a folder of other users' files.
pub fn remove(folder: &Path) {
    // Other than the library's own, it gets through what other users own and what engines made immutable to it.
    run(program(tool("rm"), ["-rf", "--one-file-system"]).arg(folder));
}
