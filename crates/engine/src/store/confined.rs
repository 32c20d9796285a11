//! Opens files of a layer's folder and never one outside of it, whatever links the layer contains.

use std::fs::File;
use std::io;
use std::path::Path;

/// A folder in which links lead to no place outside: the kernel resolves them as if the folder were the root.
pub(super) struct Folder(
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "Linux alone has stores"))] File,
);

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// Opens a regular file for reading.
    #[cfg(target_os = "linux")]
    pub(super) fn file(&self, name: &Path) -> io::Result<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

        // Without NONBLOCK, opening a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&self.0, name, flags, Mode::empty(), within)?);
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"))
    }

    /// Opens a regular file for reading.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn file(&self, _name: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn links_do_not_lead_out_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let layer = place.path().join("layer");
        std::fs::create_dir_all(layer.join("etc")).unwrap();
        std::fs::write(place.path().join("secret"), "outside").unwrap();
        std::fs::write(layer.join("etc/name"), "inside").unwrap();
        std::os::unix::fs::symlink("..", layer.join("up")).unwrap();
        std::os::unix::fs::symlink("/etc", layer.join("absolute")).unwrap();
        let folder = Folder::open(&layer).unwrap();
        let read = |name: &str| {
            let mut text = String::new();
            folder.file(name.as_ref())?.read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        for name in ["etc/name", "./etc/name", "/etc/name", "up/etc/name", "absolute/name", "../etc/name"] {
            assert_eq!(read(name).unwrap(), "inside", "{name}");
        }
        for name in ["up/secret", "../secret", "up", "etc"] {
            assert!(read(name).is_err(), "{name}");
        }
    }
}
