//! A Debian root file system, of the same release as this machine and from the same mirror.

use std::fs;
use std::path::Path;

use crate::binary::tool;
use crate::cache::remove;
use crate::command::{program, run};

/// Writes the smallest Debian with these packages, and without the content of these folders, into the archive `tar`.
pub fn archive(packages: &[&str], without: &[&str], tar: &Path) {
    let rootfs = tar.with_extension("");
    let mut bootstrap = program(tool("debootstrap"), ["--variant=minbase"]);
    if !packages.is_empty() {
        bootstrap.arg(format!("--include={}", packages.join(",")));
    }
    run(bootstrap.arg(suite()).arg(&rootfs).arg(mirror()));
    let mut pack = program(tool("tar"), ["--one-file-system", "--anchored"]);
    pack.args(without.iter().map(|folder| format!("--exclude=.{folder}/*")));
    run(pack.arg("-C").arg(&rootfs).arg("-cf").arg(tar).arg("."));
    remove(&rootfs);
}

/// The code name of this machine's release, which its mirror has for certain.
fn suite() -> String {
    let release = fs::read_to_string("/etc/os-release").expect("Debian says what it is");
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("a Debian release has a code name").trim_matches('"').to_owned()
}

/// The mirror in this machine's package sources.
fn mirror() -> String {
    let suite = suite();
    let targets = run(&mut program(
        tool("apt-get"),
        ["indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"],
    ));
    let wanted = format!("{suite} main ");
    let mirror = targets.lines().find_map(|line| line.strip_prefix(&wanted));
    mirror
        .unwrap_or_else(|| panic!("no package source of this machine has {suite} main:\n{targets}"))
        .to_owned()
}
