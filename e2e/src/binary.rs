//! Finding the programs: hythe itself, and the tools that the suites use.

use std::env;
use std::path::{Path, PathBuf};

/// The hythe under test: `HYTHE_BIN`, or the workspace's build for tests.
pub fn hythe() -> PathBuf {
    let path = env::var_os("HYTHE_BIN").map_or_else(build, PathBuf::from);
    assert!(
        path.is_file(),
        "hythe is not at {}: run `cargo build -p hythe`, or name the program in HYTHE_BIN",
        path.display()
    );
    path
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e lies in the workspace");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    target.join("debug/hythe")
}

/// A tool by name, from `PATH`.
pub fn tool(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Not every shell's path has the folders of administrators' tools.
    let places = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    find(places, name).unwrap_or_else(|| {
        panic!("`{name}` is not installed: .ci/run installs every tool that these suites need, by its Debian package")
    })
}

/// A tool from the folders in `HYTHE_TOOLS`, for tools that Debian does not have, or only in an old version.
pub fn built_tool(name: &str) -> PathBuf {
    let Some(folders) = env::var_os("HYTHE_TOOLS") else {
        panic!(
            "HYTHE_TOOLS is not set: it names the folders in which .ci/run builds `{name}` and others from Go modules"
        );
    };
    find(env::split_paths(&folders), name)
        .unwrap_or_else(|| panic!("`{name}` is not in {}: .ci/run builds it", folders.display()))
}

fn find(mut places: impl Iterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    places.find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
}
