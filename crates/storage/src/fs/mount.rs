//! Finds the file system that a folder is on, so that hythe can refuse network file systems.

use std::path::Path;

/// The types of file systems whose bytes are on another machine or behind a hypervisor's share, as `mountinfo` spells
/// them.
const NETWORK: [&str; 18] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.grpcfuse",
    "fuse.osxfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "virtiofs",
];

/// The type of the network file system that `folder` (absolute, no links in it) is on; `None` on another file system.
pub(super) fn network_file_system(folder: &Path) -> Option<String> {
    // Other systems than Linux have no such table: there the file system is not known, and no folder is refused.
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    file_system_of(&table, folder).filter(|kind| NETWORK.contains(&kind.as_str()))
}

/// The type of the mount that covers `folder`: that of the longest mount point, and of the later one if two are equal
/// (proc(5)).
fn file_system_of(table: &str, folder: &Path) -> Option<String> {
    let mut best: Option<(usize, &str)> = None;
    for line in table.lines() {
        let Some((mount, source)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), source.split(' ').next()) else { continue };
        let point = unescape(point);
        if folder.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// Decodes a mount point: the table writes space, tab, newline and backslash as three octal digits.
fn unescape(point: &str) -> String {
    point.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/shared\\040folder rw - virtiofs share rw
31 22 0:27 / /home rw shared:2 master:3 - nfs4 server:/home rw
32 31 0:28 / /home/me rw - tmpfs tmpfs rw
";

    #[test]
    fn the_longest_mount_point_decides() {
        let kind = |folder: &str| file_system_of(TABLE, Path::new(folder));
        assert_eq!(kind("/var/lib/hythe").as_deref(), Some("ext4"));
        assert_eq!(kind("/home/you").as_deref(), Some("nfs4"));
        assert_eq!(kind("/home/me/data").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/homeless").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt/shared folder/x").as_deref(), Some("virtiofs"));
    }

    #[test]
    fn the_network_file_systems_are_sorted_and_include_nfs_9p_and_virtiofs() {
        assert!(NETWORK.is_sorted());
        assert!(["nfs4", "9p", "virtiofs"].iter().all(|kind| NETWORK.contains(kind)));
    }
}
