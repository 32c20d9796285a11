//! Where backups are kept, and how their files are named there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_oci::{Digest, HashState};
use serde::{Deserialize, Serialize};

use crate::store::{Found, Growing, Store, When};
use crate::{Error, Folder, Result, Time};

/// The newest version of the layout.
const FORMAT: u32 = 1;

const MARK: &str = "hythe-backup.json";

/// The list of blobs that a prune found in no snapshot.
pub(crate) const UNLISTED: &str = "unlisted.json";

/// The folder in which each backup and prune has a file while it runs.
pub(crate) const RUNNING: &str = "running";

/// The file that makes a place one of backups.
#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
}

/// The place that backups are kept in. Clones are the same place. Its methods block.
#[derive(Clone, Debug)]
pub struct Destination {
    store: Arc<dyn Store>,
    place: Arc<Path>,
}

impl Destination {
    /// Opens a folder of backups. Makes one of an empty folder, and of one that does not exist.
    pub fn create(root: &Path) -> Result<Self> {
        Self::create_in(Arc::new(Folder::new(root)))
    }

    /// Opens a folder of backups.
    pub fn open(root: &Path) -> Result<Self> {
        Self::open_in(Arc::new(Folder::new(root)))
    }

    /// Opens a place of backups. Makes one of an empty place, and of a folder that does not exist.
    pub fn create_in(store: Arc<dyn Store>) -> Result<Self> {
        let this = Self::at(store);
        this.store.make().map_err(Error::file("create", &this.place))?;
        match this.check() {
            Err(Error::NoBackup { .. }) => {}
            checked => return checked.map(|()| this),
        }
        if !this.store.is_empty().map_err(Error::file("list", &this.place))? {
            return Err(Error::NotEmpty { path: this.place.to_path_buf() });
        }
        let mark = serde_json::to_vec(&Mark { format: FORMAT }).unwrap_or_default();
        this.write(MARK, &mark)?;
        this.check().map(|()| this)
    }

    /// Opens a place of backups.
    pub fn open_in(store: Arc<dyn Store>) -> Result<Self> {
        let this = Self::at(store);
        this.check().map(|()| this)
    }

    fn at(store: Arc<dyn Store>) -> Self {
        let place = PathBuf::from(store.place()).into();
        Self { store, place }
    }

    /// Checks that hythe makes backups here, and that this version can read them.
    fn check(&self) -> Result<()> {
        let Some(mark) = self.read(MARK)? else {
            return Err(Error::NoBackup { path: self.place.to_path_buf() });
        };
        let mark: Mark = serde_json::from_slice(&mark)
            .map_err(|error| Error::file("read", &self.path_of(MARK))(error.into()))?;
        if mark.format > FORMAT {
            return Err(Error::Newer { path: self.place.to_path_buf(), found: mark.format, known: FORMAT });
        }
        Ok(())
    }

    /// The folder, or the bucket's URL.
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// The path of a file, as messages show it.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    fn failed<'a>(&'a self, doing: &'static str, name: &'a str) -> impl FnOnce(io::Error) -> Error + 'a {
        move |error| Error::file(doing, &self.path_of(name))(error)
    }

    /// The size of a blob's file; `None` if it does not exist.
    pub(crate) fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        let name = blob_name(digest);
        self.store.size(&name).map_err(self.failed("read", &name))
    }

    /// The sizes of the blobs that are here, for many questions.
    pub(crate) fn inventory(&self) -> Result<Inventory> {
        let known = if self.store.is_remote() {
            let mut known = HashMap::new();
            self.each_blob(|digest, size| {
                known.insert(digest, size);
                Ok(())
            })?;
            Some(known)
        } else {
            None
        };
        Ok(Inventory { destination: self.clone(), known })
    }

    /// Opens a blob's file.
    pub fn open_blob(&self, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        let name = blob_name(digest);
        self.store.open(&name).map_err(self.failed("read", &name))
    }

    /// A blob as a file of this machine: its own, or a copy without a name.
    pub fn local_blob(&self, digest: &Digest) -> Result<File> {
        self.local(&blob_name(digest))
    }

    /// A file as one of this machine: itself, or a copy without a name.
    fn local(&self, name: &str) -> Result<File> {
        if let Some(file) = self.store.local(name).map_err(self.failed("read", name))? {
            return Ok(file);
        }
        let mut from = self.store.open(name).map_err(self.failed("read", name))?;
        let mut copy = self.nameless()?;
        let copied = io::copy(&mut from, &mut copy).and_then(|_| copy.seek(SeekFrom::Start(0)));
        copied.map_err(self.failed("copy", name))?;
        Ok(copy)
    }

    /// All bytes of a manifest.
    pub(crate) fn read_small(&self, digest: &Digest) -> Result<Vec<u8>> {
        let name = blob_name(digest);
        let read = self.read(&name)?;
        read.ok_or_else(|| self.failed("read", &name)(io::ErrorKind::NotFound.into()))
    }

    /// All bytes of a small file; `None` if it does not exist.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let mut file = match self.store.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(self.failed("read", name))?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(self.failed("read", name))?;
        Ok(Some(bytes))
    }

    /// Begins a file for a blob.
    pub(crate) fn new_blob(&self, digest: &Digest, size: u64) -> Result<NewBlob> {
        let name = blob_name(digest);
        let file = self.store.begin(&name, Some(size)).map_err(self.failed("write", &name))?;
        let hash = HashState::new(digest.algorithm());
        Ok(NewBlob { file, digest: *digest, hash, length: 0, to: self.clone() })
    }

    /// Gives `each` the digest and the size of every blob's file.
    pub(crate) fn each_blob(&self, mut each: impl FnMut(Digest, u64) -> Result<()>) -> Result<()> {
        for found in self.list("blobs")? {
            let Found { name, size } = found?;
            if let Some(digest) = blob_of(&name) {
                each(digest, size)?;
            }
        }
        Ok(())
    }

    /// Gives `each` the files that no snapshot needs: blobs that are not `listed`, damaged ones, and files with other names.
    pub(crate) fn each_unneeded(
        &self,
        listed: impl Fn(&Digest) -> bool,
        mut each: impl FnMut(Unneeded) -> Result<()>,
    ) -> Result<()> {
        for folder in ["blobs", "damaged", "snapshots"] {
            for found in self.list(folder)? {
                let Found { name, size } = found?;
                let key = match blob_of(&name) {
                    Some(digest) if listed(&digest) => continue,
                    Some(digest) => digest.to_string(),
                    None if snapshot_of(&name).is_some() => continue,
                    None => name.clone(),
                };
                each(Unneeded { key, name, size })?;
            }
        }
        Ok(())
    }

    /// The files below a folder.
    pub(crate) fn list<'a>(&'a self, folder: &'a str) -> Result<impl Iterator<Item = Result<Found>> + 'a> {
        let list = self.store.list(folder).map_err(self.failed("list", folder))?;
        Ok(list.map(move |found| found.map_err(self.failed("list", folder))))
    }

    /// Removes files, if they exist.
    pub(crate) fn remove(&self, names: &[String]) -> Result<()> {
        let first = names.first().map(String::as_str).unwrap_or_default();
        self.store.remove(names).map_err(self.failed("remove", first))
    }

    /// Sets a damaged blob aside, so that the next backup copies it again.
    pub(crate) fn set_aside(&self, digest: &Digest) -> Result<()> {
        let from = blob_name(digest);
        let to = format!("damaged/{}-{}", digest.algorithm().as_str(), digest.hex());
        self.store.rename(&from, &to).map_err(self.failed("move", &from))
    }

    /// Makes the names of all blobs durable; their bytes are already.
    pub(crate) fn sync_blobs(&self) -> Result<()> {
        self.store.sync("blobs").map_err(self.failed("sync", "blobs"))
    }

    /// The times of the snapshots, the oldest first.
    pub fn snapshots(&self) -> Result<Vec<Time>> {
        let mut times = Vec::new();
        for found in self.list("snapshots")? {
            times.extend(snapshot_of(&found?.name));
        }
        times.sort_unstable();
        Ok(times)
    }

    /// The newest snapshot, or the newest at or before a time.
    pub fn snapshot_at(&self, at: Option<Time>) -> Result<Time> {
        let found = self.snapshots()?.into_iter().rfind(|time| at.is_none_or(|at| *time <= at));
        found.ok_or_else(|| Error::NoSnapshot { path: self.place.to_path_buf(), at })
    }

    /// A snapshot's path, as messages show it.
    pub(crate) fn snapshot_path(&self, time: Time) -> PathBuf {
        self.path_of(&snapshot_name(time))
    }

    /// A snapshot as a file of this machine.
    pub(crate) fn local_snapshot(&self, time: Time) -> Result<File> {
        self.local(&snapshot_name(time))
    }

    /// Opens a snapshot to read its beginning.
    pub(crate) fn open_snapshot(&self, time: Time) -> Result<Box<dyn Read + Send>> {
        let name = snapshot_name(time);
        self.store.open(&name).map_err(self.failed("read", &name))
    }

    /// Begins a snapshot's file.
    pub(crate) fn new_snapshot(&self, time: Time) -> Result<Box<dyn Growing>> {
        let name = snapshot_name(time);
        self.store.begin(&name, None).map_err(self.failed("write", &name))
    }

    /// Makes a file a snapshot: durable, or not there.
    pub(crate) fn publish_snapshot(&self, file: Box<dyn Growing>, time: Time) -> Result<()> {
        let name = snapshot_name(time);
        file.publish(When::Absent).map_err(self.failed("create", &name))?;
        self.store.sync("snapshots").map_err(self.failed("sync", &name))
    }

    pub(crate) fn remove_snapshot(&self, time: Time) -> Result<()> {
        let name = snapshot_name(time);
        self.remove(std::slice::from_ref(&name))?;
        self.store.sync("snapshots").map_err(self.failed("sync", &name))
    }

    /// A file of this machine without a name, for what only this run needs.
    pub(crate) fn nameless(&self) -> Result<File> {
        self.store.scratch().map_err(Error::file("write a temporary file for", &self.place))
    }

    /// Removes the files that killed runs left. No other run may be in progress.
    pub(crate) fn clear_unfinished(&self) -> Result<()> {
        self.store.clear_unfinished().map_err(self.failed("remove", "tmp"))
    }

    /// Replaces a small file. Durable.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let size = Some(bytes.len() as u64);
        let mut file = self.store.begin(name, size).map_err(self.failed("write", name))?;
        file.write_all(bytes).map_err(self.failed("write", name))?;
        file.publish(When::Always).map_err(self.failed("create", name))?;
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.store.sync(folder).map_err(self.failed("sync", name))
    }
}

fn snapshot_name(time: Time) -> String {
    format!("snapshots/{}.zst", time.in_name())
}

fn snapshot_of(name: &str) -> Option<Time> {
    Time::from_name(name.strip_prefix("snapshots/")?.strip_suffix(".zst")?)
}

fn blob_name(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("blobs/{}/{}/{hex}", digest.algorithm().as_str(), &hex[..2])
}

fn blob_of(name: &str) -> Option<Digest> {
    let (algorithm, rest) = name.strip_prefix("blobs/")?.split_once('/')?;
    let digest = format!("{algorithm}:{}", rest.split_once('/')?.1).parse().ok()?;
    (blob_name(&digest) == name).then_some(digest)
}

/// A file that no snapshot needs.
pub(crate) struct Unneeded {
    /// What a list of such files calls it: a blob's digest, else its name.
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// The sizes of the blobs that a destination has: known from one listing, or asked for one by one.
pub(crate) struct Inventory {
    destination: Destination,
    known: Option<HashMap<Digest, u64>>,
}

impl Inventory {
    /// The size of a blob's file; `None` if it does not exist.
    pub(crate) fn size_of(&self, digest: &Digest) -> Result<Option<u64>> {
        match &self.known {
            Some(known) => Ok(known.get(digest).copied()),
            None => self.destination.size_of(digest),
        }
    }

    /// Adds a blob that was copied since.
    pub(crate) fn add(&mut self, digest: Digest, size: u64) {
        if let Some(known) = &mut self.known {
            known.insert(digest, size);
        }
    }
}

/// A blob that grows.
pub(crate) struct NewBlob {
    file: Box<dyn Growing>,
    digest: Digest,
    hash: HashState,
    length: u64,
    to: Destination,
}

impl NewBlob {
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::file("write a blob in", self.to.path()))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name if it has the right digest, once its bytes are durable. Otherwise returns its digest.
    pub(crate) fn finish(self) -> Result<Option<Digest>> {
        let found = self.hash.finish();
        if found != self.digest {
            return Ok(Some(found));
        }
        let name = blob_name(&self.digest);
        self.file.publish(When::Always).map_err(self.to.failed("create", &name))?;
        Ok(None)
    }
}
