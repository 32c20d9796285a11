//! A store of Podman's or Buildah's own, unmounted and deleted with the value.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::binary::tool;
use crate::command::{attempt, program};
use crate::engine::unmount_below;

/// A store, and the program that works on it.
pub struct Store {
    program: &'static str,
    folder: TempDir,
}

impl Store {
    /// An empty store of `program`.
    pub fn new(program: &'static str) -> Self {
        let prefix = format!("hythe-e2e-{program}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary folder");
        Self { program, folder }
    }

    /// The program with these arguments.
    pub fn call(&self, arguments: &[&str]) -> Command {
        let mut command = program(tool(self.program), ["--root"]);
        command.arg(self.folder.path().join("root")).arg("--runroot").arg(self.folder.path().join("run"));
        // Two Podmans with one runtime folder would take each other's state for stale.
        if self.program == "podman" {
            command.arg("--tmpdir").arg(self.folder.path().join("tmp"));
            // Neither wants systemd; and crun refuses machines that mount both versions of control groups.
            command.args(["--cgroup-manager=cgroupfs", "--runtime=runc"]);
        }
        command.args(arguments);
        command
    }

    /// A folder that goes with the store.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        unmount_below(self.folder.path());
        // Images hold files that no owner may write, which the library's own removal does not get through everywhere.
        attempt(program(tool("rm"), ["-rf", "--one-file-system"]).arg(self.folder.path()));
    }
}
