//! The back end that keeps bytes in a folder.
//!
//! ```text
//! DATA/
//!   format                      the layout's version, "1"
//!   lock                        held by the server; has its process id
//!   reserve                     room for the deletes that free a full disk
//!   uploads/<upload id>         the bytes of an upload session
//!   blobs/<algorithm>/<first two hex digits>/<hex>.<upload id>
//!   journal/                    the log (`log.rs`)
//!   quarantine/<hex>.<upload id>  a blob whose bytes were found damaged; goes when the blob is replaced or removed
//! ```
//! The catalog's files lie beside these; this crate does not touch them.

mod adoption;
mod content;
mod direct;
mod error;
mod folder;
mod format;
mod listing;
mod log;
mod mount;
mod pace;
mod regular;
mod reserve;
mod system;
mod upload;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, UploadId};
use parking_lot::Mutex;

use crate::fence::Fences;
use crate::{
    Adopt, Adopted, BlobKey, Content, Error, Fence, ListBlobs, ListUploads, Log, Owner, Result, Room,
    Storage, Upload, Volume,
};
use content::FileContent;
use log::FsLog;
use pace::Pace;
use upload::FileUpload;

pub use direct::{ALIGN, Direct};
pub use error::OpenError;
pub use reserve::Reserve;
pub use system::check_data_folder;

/// Blobs and uploads in a folder of a local file system.
#[derive(Debug)]
pub struct FsStorage {
    root: Arc<Path>,
    /// Locked while a folder for blobs is created.
    making: Arc<Mutex<()>>,
    pace: Arc<Pace>,
    reserve: Arc<Reserve>,
    fences: Arc<Fences>,
    log: Arc<FsLog>,
    /// The lock file: while it is open, no other process can open the folder.
    _lock: File,
}

impl FsStorage {
    /// Opens `root`, creates it if it does not exist, and locks it against other processes. Blocking.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let (root, lock) = folder::open(root)?;
        let pace = Arc::new(Pace::new(uploads(&root), Direct::Auto));
        let reserve = Arc::new(Reserve::open(&root));
        let (making, fences, log) = (Arc::default(), Arc::default(), Arc::new(FsLog::new(&root)));
        Ok(Self { root: root.into(), making, pace, reserve, fences, log, _lock: lock })
    }

    /// The room that no upload may use.
    pub fn reserve(&self) -> &Arc<Reserve> {
        &self.reserve
    }

    /// Whether the folder has any blob. Blocking; if there is none, this lists every folder.
    pub fn has_blobs(&self) -> Result<bool> {
        let blobs = self.root.join("blobs");
        has_files(&blobs, BLOB_DEPTH).map_err(|error| Error::io("cannot list", &blobs, error))
    }

    /// Sets which uploads bypass the page cache. The default is [`Direct::Auto`].
    #[must_use]
    pub fn with_direct(mut self, direct: Direct) -> Self {
        self.pace = Arc::new(Pace::new(uploads(&self.root), direct));
        self
    }

    fn upload_path(&self, id: UploadId) -> PathBuf {
        uploads(&self.root).join(id.to_string())
    }

    fn blob_path(&self, key: &BlobKey) -> PathBuf {
        blobs_folder(&self.root, key.digest.algorithm(), &key.digest.hex()[..2]).join(file_name(key))
    }

    fn quarantine_path(&self, key: &BlobKey) -> PathBuf {
        self.root.join("quarantine").join(file_name(key))
    }
}

/// The folder of the blobs whose hashes begin with these two hex digits.
fn blobs_folder(root: &Path, algorithm: Algorithm, first: &str) -> PathBuf {
    let mut path = root.join("blobs");
    path.push(algorithm.as_str());
    path.push(first);
    path
}

fn file_name(key: &BlobKey) -> String {
    format!("{}.{}", key.digest.hex(), key.generation)
}

/// How many folders lie between `blobs` and a blob's file: that of the algorithm, and that of the first two digits.
const BLOB_DEPTH: usize = 2;

/// Whether the folder has a file at exactly this depth. A file at another depth is not a blob.
fn has_files(folder: &Path, depth: usize) -> io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if (depth == 0 && kind.is_file())
            || (depth > 0 && kind.is_dir() && has_files(&entry.path(), depth - 1)?)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uploads(root: &Path) -> PathBuf {
    root.join("uploads")
}

/// Runs work that may wait for a disk on a blocking thread, not on an async one.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}

fn sync_folder(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| Error::io("cannot sync folder", path, e))
}

/// Removes a file. The reserve is filled first with the room that this frees.
fn free(path: &Path, reserve: &Reserve) -> Result<()> {
    remove_if_there(path)?;
    reserve.fill_up();
    Ok(())
}

/// Removes a blob: its file, and the one that verification moved into quarantine.
fn remove_blob((path, quarantined): &(PathBuf, PathBuf), reserve: &Reserve) -> Result<()> {
    reserve.make_way();
    // The blob first: a verification may move it into quarantine meanwhile.
    free(path, reserve)?;
    remove_if_there(quarantined)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        // Somebody created a folder in the file's place.
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => std::fs::remove_dir(path),
        other => other,
    }
    .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
    .map_err(|error| Error::io("cannot remove", path, error))
}

/// Renames a synced file into its final folder and makes the name durable.
fn publish(upload: &Path, blob: &Path, making: &Mutex<()>) -> Result<()> {
    let folder = blob.parent().unwrap_or(blob);
    {
        // Another upload must not find the folder before it is durable: a blob in it could be acknowledged, and then be
        // lost with the folder.
        let _making = making.lock();
        if !folder.is_dir() {
            // A new folder is durable once its parents are synced, up to `blobs`, which exists and is synced since the
            // start.
            std::fs::create_dir_all(folder).map_err(|e| Error::io("cannot create folder", folder, e))?;
            for parent in folder.ancestors().skip(1).take(2) {
                if let Err(error) = sync_folder(parent) {
                    // Removes the folder again, so that the next upload that needs it creates it and makes it durable.
                    // The folder is empty: only the holder of the lock knows of it.
                    let _ = std::fs::remove_dir(folder);
                    return Err(error);
                }
            }
        }
    }
    match std::fs::rename(upload, blob) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && blob.is_file() => {}
        other => other.map_err(|e| Error::io("cannot rename the finished upload to", blob, e))?,
    }
    sync_folder(folder)
}

#[async_trait::async_trait]
impl Storage for FsStorage {
    fn fence(&self, id: UploadId) -> Fence {
        self.fences.of(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> Result<Arc<dyn Upload>> {
        let (id, owner) = (owner.id(), owner.clone());
        let (path, pace, reserve) = (self.upload_path(id), Arc::clone(&self.pace), Arc::clone(&self.reserve));
        blocking(move || {
            let entered = owner.enter()?;
            let lost = |found| Error::UploadLost { id, expected: offset, found };
            // At offset 0 everything is cut off. But the bytes of an adopted upload belong to somebody else's file too,
            // so the upload gets a new file.
            if offset == 0 && adoption::is_shared(&path) {
                remove_if_there(&path)?;
            }
            let mut options = File::options();
            options.read(true).write(true).create(offset == 0).truncate(false);
            let (file, found) = match regular::open(&mut options, &path) {
                Ok(Some(opened)) => opened,
                // The file of an upload that has bytes is gone. A new upload (offset 0) creates its file, for which
                // only the folder can be missing.
                Ok(None) if offset > 0 => return Err(lost(0)),
                Ok(None) => return Err(Error::io("cannot create", &path, rustix::io::Errno::NOENT.into())),
                Err(error) => return Err(Error::io("cannot open", &path, error)),
            };
            if found < offset {
                return Err(lost(found));
            }
            if found > offset {
                file.set_len(offset).map_err(|e| Error::io("cannot cut", &path, e))?;
            }
            drop(entered);
            Ok(Arc::new(FileUpload::new(owner, file, path, pace, reserve)) as Arc<dyn Upload>)
        })
        .await
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        let upload = self.upload_path(owner.id());
        let blob = self.blob_path(&BlobKey { digest: *digest, generation: owner.id() });
        let (owner, making) = (owner.clone(), Arc::clone(&self.making));
        blocking(move || {
            let _entered = owner.enter()?;
            publish(&upload, &blob, &making)
        })
        .await
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> Result<()> {
        let upload = self.upload_path(owner.id());
        let blob = self.blob_path(&BlobKey { digest: *digest, generation: owner.id() });
        let owner = owner.clone();
        blocking(move || {
            let _entered = owner.enter()?;
            match std::fs::rename(&blob, &upload) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::io("cannot rename back to an upload", &blob, error))
                }
                _ => Ok(()),
            }
        })
        .await
    }

    async fn remove_upload(&self, id: UploadId) -> Result<()> {
        let (path, reserve) = (self.upload_path(id), Arc::clone(&self.reserve));
        let fences = Arc::clone(&self.fences);
        blocking(move || {
            fences.close(id);
            free(&path, &reserve)
        })
        .await
    }

    /// Opens the file on the async thread: that costs less than a change of threads. It waits for the disk when the
    /// file's inode is not in memory (ARCHITECTURE.md, Calls that may block an async thread).
    async fn open_blob(&self, key: &BlobKey) -> Result<Option<Arc<dyn Content>>> {
        let path = self.blob_path(key);
        let opened = regular::open(File::options().read(true), &path);
        let opened = opened.map_err(|error| Error::io("cannot open", &path, error))?;
        Ok(opened.map(|(file, size)| Arc::new(FileContent::new(file, size, path)) as Arc<dyn Content>))
    }

    async fn remove_blob(&self, key: &BlobKey) -> Result<()> {
        let (paths, reserve) = ((self.blob_path(key), self.quarantine_path(key)), Arc::clone(&self.reserve));
        blocking(move || remove_blob(&paths, &reserve)).await
    }

    /// Removes all of them on one blocking thread: on a busy machine, the way to a thread and back takes longer than the
    /// removal of a file.
    async fn remove_blobs(&self, keys: &[BlobKey]) -> Vec<Result<()>> {
        let paths: Vec<_> = keys.iter().map(|key| (self.blob_path(key), self.quarantine_path(key))).collect();
        let reserve = Arc::clone(&self.reserve);
        blocking(move || Ok(paths.iter().map(|paths| remove_blob(paths, &reserve)).collect()))
            .await
            .unwrap_or_else(|error| vec![Err(error)])
    }

    async fn quarantine_blob(&self, key: &BlobKey) -> Result<()> {
        let (path, quarantined) = (self.blob_path(key), self.quarantine_path(key));
        blocking(move || {
            let folder = quarantined.parent().unwrap_or(&quarantined);
            std::fs::create_dir_all(folder).map_err(|e| Error::io("cannot create folder", folder, e))?;
            match std::fs::rename(&path, &quarantined) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(Error::io("cannot move into quarantine", &path, error))
                }
                _ => sync_folder(path.parent().unwrap_or(&path)),
            }
        })
        .await
    }

    async fn probe(&self) -> Result<()> {
        let path = uploads(&self.root).join(".probe");
        blocking(move || {
            std::fs::write(&path, b"ok").map_err(|e| Error::io("cannot write", &path, e))?;
            remove_if_there(&path)
        })
        .await
    }

    fn adoption(&self) -> Option<&dyn Adopt> {
        Some(self)
    }

    fn listing(&self) -> Option<&dyn ListUploads> {
        Some(self)
    }

    fn blobs(&self) -> Option<&dyn ListBlobs> {
        Some(self)
    }

    fn log(&self) -> Option<Arc<dyn Log>> {
        Some(Arc::<FsLog>::clone(&self.log))
    }

    fn volume(&self) -> Option<&dyn Volume> {
        Some(self)
    }
}

impl Volume for FsStorage {
    fn room(&self) -> Result<Room> {
        let found = rustix::fs::statvfs(&*self.root)
            .map_err(|error| Error::io("cannot measure the file system of", &self.root, error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Room { size: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }
}

#[async_trait::async_trait]
impl Adopt for FsStorage {
    async fn adopt(&self, owner: &Owner, file: &Path) -> Result<Option<Adopted>> {
        let (file, path, owner) = (file.to_owned(), self.upload_path(owner.id()), owner.clone());
        let (pace, reserve) = (Arc::clone(&self.pace), Arc::clone(&self.reserve));
        blocking(move || adoption::adopt(&file, owner, path, pace, reserve)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_a_stopping_server_does_not_start_says_so() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let error = handle.block_on(blocking(|| Ok(()))).unwrap_err();
        assert!(matches!(error, Error::Stopping), "{error:?}");
        assert_eq!(error.to_string(), "the server is stopping, and did not start this work on its disk");
    }
}
