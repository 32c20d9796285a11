//! A small file system for one test, mounted while the value lives.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::binary::tool;
use crate::command::{attempt, program, run};

/// A mounted file system.
pub struct Disk {
    folder: TempDir,
    mounted: PathBuf,
}

impl Disk {
    /// An ext4 of `mib` MiB in a loop-mounted file.
    pub fn ext4(mib: u64) -> Self {
        let disk = Self::prepare();
        let image = disk.folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(mib << 20)).expect("a sparse file");
        // No blocks reserved for root: the tests run as root and could use them.
        run(program(tool("mkfs.ext4"), ["-q", "-m", "0"]).arg(&image));
        run(program(tool("mount"), ["-o", "loop"]).arg(&image).arg(&disk.mounted));
        disk
    }

    /// A tmpfs of `mib` MiB.
    pub fn tmpfs(mib: u64) -> Self {
        Self::memory(&format!("size={mib}m"))
    }

    /// A read-only file system.
    pub fn read_only() -> Self {
        Self::memory("size=1m,ro")
    }

    fn memory(options: &str) -> Self {
        let disk = Self::prepare();
        run(program(tool("mount"), ["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk.mounted));
        disk
    }

    fn prepare() -> Self {
        let folder =
            tempfile::Builder::new().prefix("hythe-e2e-disk-").tempdir().expect("a temporary folder");
        let mounted = folder.path().join("mounted");
        fs::create_dir(&mounted).expect("an empty folder");
        Self { folder, mounted }
    }

    /// The folder where the file system is mounted.
    pub fn path(&self) -> &Path {
        &self.mounted
    }

    /// The bytes in use.
    pub fn used(&self) -> u64 {
        let figures = rustix::fs::statvfs(&self.mounted).expect("it is mounted");
        (figures.f_blocks - figures.f_bfree) * figures.f_frsize
    }

    /// Fills the file system to the last byte with one file, and returns the file's path.
    pub fn fill(&self) -> PathBuf {
        let path = self.mounted.join("filler");
        let mut file = File::create(&path).expect("the filler");
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0x5a; size];
            while file.write_all(&piece).and_then(|()| file.sync_data()).is_ok() {
                if size == 1 {
                    break;
                }
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test left running may still use the file system.
        attempt(program(tool("umount"), ["-l"]).arg(&self.mounted));
    }
}
