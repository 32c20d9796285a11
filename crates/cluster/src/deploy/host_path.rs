//! A folder of the nodes that may be given to the registry.

use std::fmt;
use std::str::FromStr;

use super::name::{ValueError, checked_text};

checked_text! {
    /// A folder of the nodes that may be given to the registry, with all that is in it.
    HostPath, check
}

/// What a node is made of. An init container gives the folder away, so that these would be the node's end.
const SYSTEM: [&str; 20] = [
    "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root",
    "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib",
];

/// Below these is nothing that could be given away either.
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
            "is not a folder of a node: write it from the root, without . or .. or a slash at the end"
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
    fn a_folder_of_its_own_is_taken_and_the_system_s_are_not() {
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
