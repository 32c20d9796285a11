//! Folders of the operating system, which hythe does not use as a data folder.

use std::path::{Path, PathBuf};

use super::error::OpenError;
use super::format::FORMAT_FILE;

/// Folders that many programs share. A data folder may lie below them.
const SHARED: [&str; 15] = [
    "/",
    "/Users",
    "/dev/shm",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/private/tmp",
    "/private/var",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/var",
    "/var/lib",
];

/// Folders of the operating system and of container runtimes. A data folder may not lie below them either.
const SYSTEM: [&str; 16] = [
    "/Applications",
    "/Library",
    "/System",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/private/etc",
    "/proc",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/kubelet",
];

/// Refuses a folder of the operating system as a data folder, whether it exists or not. Follows symbolic links in the
/// path. Accepts a folder that already is a data folder.
pub fn check_data_folder(folder: &Path) -> Result<(), OpenError> {
    if belongs_to_system(folder) && !folder.join(FORMAT_FILE).is_file() {
        return Err(OpenError::System { path: folder.to_owned() });
    }
    Ok(())
}

fn belongs_to_system(folder: &Path) -> bool {
    let folder = resolved(folder);
    let is_below = |system: &str| folder.starts_with(system) && !folder.starts_with("/dev/shm");
    SHARED.iter().any(|shared| folder == Path::new(shared)) || SYSTEM.iter().any(|system| is_below(system))
}

/// The folder's absolute path, with the symbolic links followed in the part of the path that exists.
fn resolved(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    let rest = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
    let real = std::fs::canonicalize(existing).unwrap_or_else(|_| existing.to_owned()).join(rest);
    real.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_system_and_of_the_registry_are_told_apart() {
        for system in
            ["/", "/etc", "/etc/../etc/", "/usr/share/registry", "/var", "/proc/1", "/dev/shm", "/tmp/"]
        {
            assert!(belongs_to_system(Path::new(system)), "{system}");
        }
        let folder = tempfile::tempdir().unwrap();
        for own in [
            folder.path(),
            &folder.path().join("new/deep"),
            Path::new("/srv/registry"),
            Path::new("/dev/shm/r"),
        ] {
            assert!(!belongs_to_system(own), "{}", own.display());
        }
    }

    #[test]
    fn a_folder_outside_of_the_system_is_accepted_and_etc_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        check_data_folder(folder.path()).unwrap();
        let refused = check_data_folder(Path::new("/etc")).unwrap_err().to_string();
        assert!(refused.contains("/etc") && refused.contains("--data"), "{refused}");
    }

    #[test]
    fn a_link_is_judged_by_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        assert!(belongs_to_system(&link) && belongs_to_system(&link.join("new")));
    }
}
