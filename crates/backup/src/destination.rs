//! The folder that backups are kept in.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, HashState};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::{Error, Result, Time};

/// The newest version of the layout.
const FORMAT: u32 = 1;

const MARK: &str = "hythe-backup.json";

/// The file that makes a folder one of backups.
#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
}

/// The folder that backups are kept in. Clones are the same folder. Its methods block.
#[derive(Clone, Debug)]
pub struct Destination {
    root: Arc<Path>,
}

impl Destination {
    /// Opens a folder of backups. Makes one of an empty folder, and of one that does not exist.
    pub fn create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(Error::file("create", root))?;
        match Self::open(root) {
            Err(Error::NoBackup { .. }) => {}
            opened => return opened,
        }
        let mut entries = fs::read_dir(root).map_err(Error::file("list", root))?;
        // The folder of a file system's root has this folder from the beginning; `tmp` is what a killed first run left.
        if entries.any(|entry| {
            entry.is_ok_and(|entry| entry.file_name() != "lost+found" && entry.file_name() != "tmp")
        }) {
            return Err(Error::NotEmpty { path: root.to_owned() });
        }
        let this = Self { root: root.into() };
        let mark = serde_json::to_vec(&Mark { format: FORMAT }).unwrap_or_default();
        this.write(&root.join(MARK), &mark)?;
        Self::open(root)
    }

    /// Opens a folder of backups.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(MARK);
        let mark = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoBackup { path: root.to_owned() });
            }
            read => read.map_err(Error::file("read", &path))?,
        };
        let mark: Mark =
            serde_json::from_slice(&mark).map_err(|error| Error::file("read", &path)(error.into()))?;
        if mark.format > FORMAT {
            return Err(Error::Newer { path: root.to_owned(), found: mark.format, known: FORMAT });
        }
        Ok(Self { root: root.into() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The size of a blob's file; `None` if it does not exist.
    pub(crate) fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(found) => Ok(found.is_file().then_some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", &path)(error)),
        }
    }

    /// Opens a blob's file.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(Error::file("read", &path))
    }

    /// All bytes of a manifest.
    pub(crate) fn read_small(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        fs::read(&path).map_err(Error::file("read", &path))
    }

    /// Begins a file for a blob.
    pub(crate) fn new_blob(&self, algorithm: Algorithm) -> Result<NewBlob> {
        Ok(NewBlob { file: self.temporary()?, hash: HashState::new(algorithm), length: 0, to: self.clone() })
    }

    /// Gives `each` the digest and the size of every blob's file.
    pub(crate) fn each_blob(&self, mut each: impl FnMut(Digest, u64) -> Result<()>) -> Result<()> {
        let blobs = self.root.join("blobs");
        for (algorithm, folder) in entries(&blobs)? {
            for (_, folder) in entries(&folder)? {
                for (hex, path) in entries(&folder)? {
                    let Ok(digest) = format!("{algorithm}:{hex}").parse() else { continue };
                    let size = fs::metadata(&path).map_err(Error::file("read", &path))?.len();
                    each(digest, size)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn remove_blob(&self, digest: &Digest) -> Result<()> {
        remove(&self.blob_path(digest))
    }

    /// Sets a damaged blob aside, so that the next backup copies it again.
    pub(crate) fn set_aside(&self, digest: &Digest) -> Result<()> {
        let (from, folder) = (self.blob_path(digest), self.folder("damaged")?);
        let to = folder.join(format!("{}-{}", digest.algorithm().as_str(), digest.hex()));
        fs::rename(&from, &to).map_err(Error::file("move", &from))
    }

    /// Makes the names of all blobs durable; their bytes are already.
    pub(crate) fn sync_blobs(&self) -> Result<()> {
        let blobs = self.folder("blobs")?;
        for (_, folder) in entries(&blobs)? {
            for (_, folder) in entries(&folder)? {
                sync_folder(&folder)?;
            }
            sync_folder(&folder)?;
        }
        sync_folder(&blobs)?;
        sync_folder(&self.root)
    }

    /// The times of the snapshots, the oldest first.
    pub fn snapshots(&self) -> Result<Vec<Time>> {
        let mut times: Vec<Time> = entries(&self.root.join("snapshots"))?
            .into_iter()
            .filter_map(|(name, _)| Time::from_name(name.strip_suffix(".zst")?))
            .collect();
        times.sort_unstable();
        Ok(times)
    }

    /// The newest snapshot, or the newest at or before a time.
    pub fn snapshot_at(&self, at: Option<Time>) -> Result<Time> {
        let found = self.snapshots()?.into_iter().rfind(|time| at.is_none_or(|at| *time <= at));
        found.ok_or_else(|| Error::NoSnapshot { path: self.root.to_path_buf(), at })
    }

    pub(crate) fn snapshot_path(&self, time: Time) -> PathBuf {
        self.root.join("snapshots").join(format!("{}.zst", time.in_name()))
    }

    /// Makes a file a snapshot: durable, or not there.
    pub(crate) fn publish_snapshot(&self, file: NamedTempFile, time: Time) -> Result<()> {
        self.folder("snapshots")?;
        let path = self.snapshot_path(time);
        file.as_file().sync_all().map_err(Error::file("sync", file.path()))?;
        file.persist_noclobber(&path).map_err(|error| Error::file("create", &path)(error.error))?;
        sync_folder(&self.root.join("snapshots"))?;
        sync_folder(&self.root)
    }

    pub(crate) fn remove_snapshot(&self, time: Time) -> Result<()> {
        remove(&self.snapshot_path(time))?;
        sync_folder(&self.root.join("snapshots"))
    }

    /// A file without a name, for what only this run needs.
    pub(crate) fn nameless(&self) -> Result<File> {
        let folder = self.folder("tmp")?;
        tempfile::tempfile_in(&folder).map_err(Error::file("write in", &folder))
    }

    /// A file that grows, and is removed unless it gets a name.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile> {
        let folder = self.folder("tmp")?;
        NamedTempFile::new_in(&folder).map_err(Error::file("write in", &folder))
    }

    /// Removes the files that killed runs left. No other run may be in progress.
    pub(crate) fn clear_temporary(&self) -> Result<()> {
        entries(&self.root.join("tmp"))?.iter().try_for_each(|(_, path)| remove(path))
    }

    /// The folder in which each backup and prune has a file while it runs.
    pub(crate) fn running(&self) -> Result<PathBuf> {
        self.folder("running")
    }

    pub(crate) fn unlisted_path(&self) -> PathBuf {
        self.root.join("unlisted.json")
    }

    /// Replaces a small file. Durable.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = self.temporary()?;
        file.write_all(bytes).map_err(Error::file("write", path))?;
        file.as_file().sync_all().map_err(Error::file("sync", path))?;
        file.persist(path).map_err(|error| Error::file("create", path)(error.error))?;
        path.parent().map_or(Ok(()), sync_folder)
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        Ok(folder)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let mut path = self.root.join("blobs");
        path.push(digest.algorithm().as_str());
        path.push(&hex[..2]);
        path.push(hex);
        path
    }
}

/// A blob that grows.
pub(crate) struct NewBlob {
    file: NamedTempFile,
    hash: HashState,
    length: u64,
    to: Destination,
}

impl NewBlob {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::file("write", self.file.path()))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name if it has this digest, once its bytes are durable. Otherwise returns its digest.
    pub(crate) fn finish(self, digest: &Digest) -> Result<Option<Digest>> {
        let found = self.hash.finish();
        if found != *digest {
            return Ok(Some(found));
        }
        let path = self.to.blob_path(digest);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        self.file.as_file().sync_all().map_err(Error::file("sync", self.file.path()))?;
        self.file.persist(&path).map_err(|error| Error::file("create", &path)(error.error))?;
        Ok(None)
    }
}

/// The names and paths in a folder; none if it does not exist.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let list = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(Error::file("list", folder))?,
    };
    let mut found = Vec::new();
    for entry in list {
        let entry = entry.map_err(Error::file("list", folder))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file("sync", folder))
}
