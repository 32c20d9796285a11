//! The files in a tar archive: their places, found by one pass over the headers.

use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _};
use std::path::{Component, Path};

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::segments::Segments;
use crate::store::Bytestream;

/// The most files in an archive: an image has a few hundred at most.
const FILES: usize = 1 << 20;

/// The most links from one name to the next.
const LINKS: usize = 8;

/// Where a file's bytes are in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

#[derive(Debug)]
enum Entry {
    File(Extent),
    /// A link to another name in the archive. `docker save` writes a layer that images share once, and links to it.
    Link(String),
}

/// The files in a tar archive.
#[derive(Debug)]
pub(crate) struct TarFile {
    bytes: Segments,
    entries: HashMap<String, Entry>,
}

/// A name without `.` and `..`, so that each file has one.
fn cleaned(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

impl TarFile {
    /// Reads the headers of an archive. Blocking.
    pub(crate) fn open(bytes: Segments) -> Result<Self> {
        let path = bytes.name();
        let failed = || Error::file("cannot read", path);
        let mut file = bytes.reader();
        let invalid = |reason: String| Error::Invalid {
            path: path.to_owned(),
            expected: "a tar archive of images",
            reason,
        };
        let mut magic = [0; 4];
        let read = file.read(&mut magic).map_err(failed())?;
        file.rewind().map_err(failed())?;
        if magic[..read].starts_with(&[0x1f, 0x8b]) || magic[..read] == [0x28, 0xb5, 0x2f, 0xfd] {
            return Err(invalid("it is compressed. Decompress it first, for example with gunzip".to_owned()));
        }
        let mut archive = tar::Archive::new(file);
        let mut entries = HashMap::new();
        for entry in archive.entries_with_seek().map_err(failed())? {
            let entry = entry.map_err(|error| invalid(error.to_string()))?;
            let name = entry.path().map(|name| cleaned(&name)).map_err(|error| invalid(error.to_string()))?;
            if entries.len() == FILES {
                return Err(invalid(format!("it has more than {FILES} files")));
            }
            let kind = entry.header().entry_type();
            if kind.is_file() || kind.is_contiguous() {
                let place = Extent { offset: entry.raw_file_position(), size: entry.size() };
                entries.insert(name, Entry::File(place));
            } else if kind.is_symlink() || kind.is_hard_link() {
                let Ok(Some(target)) = entry.link_name() else { continue };
                // A symbolic link is relative to its folder, a hard link to the archive's root.
                let from = if kind.is_symlink() { Path::new(&name).parent() } else { None };
                let target = from.unwrap_or(Path::new("")).join(target);
                entries.insert(name, Entry::Link(cleaned(&target)));
            }
        }
        Ok(Self { bytes, entries })
    }

    pub(crate) fn path(&self) -> &Path {
        self.bytes.name()
    }

    /// A reader of a file in the archive. Blocking.
    pub(crate) fn reader(&self, place: Extent) -> io::Result<impl io::Read> {
        let mut reader = self.bytes.reader();
        reader.seek(io::SeekFrom::Start(place.offset))?;
        Ok(reader.take(place.size))
    }

    /// The bytes of a file in the archive from an offset on.
    pub(crate) async fn stream(&self, place: Extent, from: u64) -> io::Result<Bytestream> {
        self.bytes.stream(place.offset + from, place.size.saturating_sub(from)).await
    }

    /// Where a file's bytes are; `None` if the archive does not have it.
    pub(crate) fn find(&self, name: &str) -> Option<Extent> {
        let mut name = cleaned(Path::new(name));
        for _ in 0..LINKS {
            match self.entries.get(&name)? {
                Entry::File(place) => return Some(*place),
                Entry::Link(target) => name = target.clone(),
            }
        }
        None
    }

    /// The bytes of a file of at most `limit` bytes; `None` if the archive does not have it. Blocking.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>> {
        let Some(place) = self.find(name) else { return Ok(None) };
        if place.size > limit {
            let reason = format!("its file `{name}` has more than {limit} bytes");
            let path = self.path().to_owned();
            return Err(Error::Invalid { path, expected: "an archive of images", reason });
        }
        let mut bytes = vec![0; place.size as usize];
        let failed = || Error::file("cannot read", self.path());
        self.reader(place).map_err(failed())?.read_exact(&mut bytes).map_err(failed())?;
        Ok(Some(bytes.into()))
    }
}
