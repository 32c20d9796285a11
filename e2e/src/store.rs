//! An image store of Podman or Buildah for one test. Dropping the value unmounts and deletes the store.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::binary::tool;
use crate::command::{attempt, program};
use crate::engine::unmount_below;

/// A store, and the program that uses it.
pub struct Store {
    program: &'static str,
    folder: TempDir,
}

impl Store {
    /// Creates an empty store for `program`.
    pub fn new(program: &'static str) -> Self {
        let prefix = format!("hythe-e2e-{program}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder");
        Self { program, folder }
    }

    /// A command of the program with these arguments.
    pub fn call(&self, arguments: &[&str]) -> Command {
        let mut command = program(tool(self.program), ["--root"]);
        command.arg(self.folder.path().join("root")).arg("--runroot").arg(self.folder.path().join("run"));
        // With a shared runtime folder, two Podmans would take each other's state for stale.
        if self.program == "podman" {
            command.arg("--tmpdir").arg(self.folder.path().join("tmp"));
            // cgroupfs works without systemd. runc, because crun refuses machines that mount both versions of control
            // groups.
            command.args(["--cgroup-manager=cgroupfs", "--runtime=runc"]);
        }
        command.args(arguments);
        command
    }

    /// A folder that is deleted with the store.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        unmount_below(self.folder.path());
        // `rm`, because the library's function does not delete everything: images have files without write permission.
        attempt(program(tool("rm"), ["-rf", "--one-file-system"]).arg(self.folder.path()));
    }
}
