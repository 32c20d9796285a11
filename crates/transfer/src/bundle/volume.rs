//! The file of a bundle while it is written, or its files if it is written in chunks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hythe_oci::{Algorithm, Digest, HashState};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::record::Record;
use super::written::WrittenBundle;
use crate::error::{Error, Result};

/// The list of a bundle's chunks, in the file `NAME.json` beside them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChunkList {
    /// The size of the whole bundle in bytes.
    pub(super) size: u64,
    /// The digest of the whole bundle.
    pub(super) digest: Digest,
    /// The chunks in their order.
    pub(super) chunks: Vec<Chunk>,
    /// The record of the bundle.
    pub(super) bundle: Record,
}

/// A chunk of a bundle.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// The name of the list of a bundle's chunks.
pub(super) fn list_of(path: &Path) -> PathBuf {
    with_ending(path, "json")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A bundle that is being written.
pub(super) struct Volume {
    path: PathBuf,
    chunk_size: Option<u64>,
    full: Vec<Part>,
    current: Part,
    hash: HashState,
}

struct Part {
    file: NamedTempFile,
    size: u64,
    hash: HashState,
}

impl Part {
    fn new(path: &Path) -> io::Result<Self> {
        // The name says what the file belongs to, should this process be killed.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = tempfile::Builder::new().prefix(&format!(".{name}.")).tempfile_in(folder(path))?;
        Ok(Self { file, size: 0, hash: HashState::new(Algorithm::Sha256) })
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Volume {
    pub(super) fn create(path: &Path, chunk_size: Option<u64>) -> Result<Self> {
        if chunk_size.is_some() && path.exists() {
            let reason = "a whole bundle has this name, and the chunks would not replace it. Delete it or choose another \
                          name";
            let (path, reason) = (path.to_owned(), reason.to_owned());
            return Err(Error::Invalid { path, expected: "a name for chunks", reason });
        }
        let current = Part::new(path).map_err(Error::file("cannot write", path))?;
        let hash = HashState::new(Algorithm::Sha256);
        Ok(Self { path: path.to_owned(), chunk_size, full: Vec::new(), current, hash })
    }

    /// Makes all files durable and gives them their names.
    pub(super) fn finish(self, record: Record) -> Result<WrittenBundle> {
        let Self { path, chunk_size, mut full, current, hash } = self;
        let failed = |path: &Path| Error::file("cannot write", path);
        full.push(current);
        let size = full.iter().map(|part| part.size).sum();
        let (mut files, mut chunks) = (Vec::new(), Vec::new());
        for (number, part) in full.into_iter().enumerate() {
            let to = match chunk_size {
                Some(_) => with_ending(&path, &format!("{:03}", number + 1)),
                None => path.clone(),
            };
            part.file.as_file().sync_all().map_err(failed(&to))?;
            part.file.persist(&to).map_err(|error| failed(&to)(error.error))?;
            let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
            chunks.push(Chunk { name, size: part.size, digest: part.hash.finish() });
            files.push(to);
        }
        // The bytes of a bundle in one file are hashed once.
        let digest = match (chunk_size, chunks.first()) {
            (None, Some(only)) => only.digest,
            _ => hash.finish(),
        };
        let list = chunk_size.map(|_| list_of(&path));
        if let Some(list) = &list {
            // Last: a list names chunks that are there.
            let text = ChunkList { size, digest, chunks, bundle: record.clone() };
            let mut file = Part::new(list).map_err(failed(list))?.file;
            // Texts, numbers and lists are always JSON.
            let text = serde_json::to_vec_pretty(&text).unwrap_or_default();
            file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed(list))?;
            file.persist(list).map_err(|error| failed(list)(error.error))?;
        }
        let folder = folder(&path);
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))?;
        Ok(WrittenBundle { files, list, size, digest, record })
    }
}

impl Write for Volume {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut most = bytes.len();
        if let Some(chunk_size) = self.chunk_size {
            if self.current.size == chunk_size && !bytes.is_empty() {
                let next = Part::new(&self.path)?;
                self.full.push(std::mem::replace(&mut self.current, next));
            }
            let left = chunk_size - self.current.size;
            most = most.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        let written = self.current.file.write(&bytes[..most])?;
        self.current.hash.update(&bytes[..written]);
        if self.chunk_size.is_some() {
            self.hash.update(&bytes[..written]);
        }
        self.current.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.file.flush()
    }
}
