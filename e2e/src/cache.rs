//! A cache for things that take long to make. The first suite that needs one makes it; later runs find it beside
//! cargo's output.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::binary::tool;
use crate::command::{program, run};

/// The folder `recipe` in the cache. If it does not exist, `make` fills it. Change the name whenever `make` changes.
pub fn cached(recipe: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let cache = cache();
    let folder = cache.join(recipe);
    fs::create_dir_all(&cache).unwrap_or_else(|error| panic!("{}: {error}", cache.display()));
    // Suites run in parallel: the second waits while the first makes the folder.
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

/// Deletes a folder with other users' files.
pub fn remove(folder: &Path) {
    // `rm` also deletes files that other users own and that engines made read-only; the library's function does not.
    run(program(tool("rm"), ["-rf", "--one-file-system"]).arg(folder));
}
