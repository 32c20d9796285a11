//! A folder of a node in which the registry may keep its data.

use std::fmt;
use std::str::FromStr;

use super::name::{ValueError, checked_text};

checked_text! {
    /// A folder of a node in which the registry may keep its data. Its content changes owner too.
    HostPath, check
}

/// Folders of the node's system. An init container gives the data folder to the registry's user, which would break the
/// node if the folder were one of these.
const SYSTEM: [&str; 20] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib",
];

/// Folders of the node's system whose subfolders the registry may not have either.
const SYSTEM_TREES: [&str; 9] = [
    "/bin/",
    "/boot/",
    "/dev/",
    "/etc/",
    "/proc/",
    "/sys/",
    "/usr/",
    "/var/lib/kubelet/",
    "/var/lib/containerd/",
];

fn check(text: &str) -> Result<(), String> {
    if !text.starts_with('/') || text.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Err(
            "is not the path of a node's folder: write it from the root, without . or .. or a slash at the end"
                .to_owned(),
        );
    }
    let below = format!("{text}/");
    if SYSTEM.contains(&text) || SYSTEM_TREES.iter().any(|tree| below.starts_with(tree)) {
        return Err(
            "belongs to the node's system: name a folder of the registry's own, such as /var/lib/registry"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_the_registrys_own_is_accepted_and_the_systems_are_refused() {
        for text in ["/mnt/local-storage/registry", "/var/lib/registry", "/data", "/home/ada/registry"] {
            assert!(text.parse::<HostPath>().is_ok(), "{text}");
        }
        for text in ["", "data", "/", "/a/", "/a/../etc", "/a//b", "/./a"] {
            let error = text.parse::<HostPath>().unwrap_err().to_string();
            assert!(error.contains("from the root"), "{error}");
        }
        for text in ["/etc", "/var", "/usr/local/registry", "/var/lib/kubelet", "/proc/1", "/dev"] {
            let error = text.parse::<HostPath>().unwrap_err().to_string();
            assert!(error.contains("system"), "{error}");
        }
    }
}
