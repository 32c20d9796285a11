//! The hashes of files, kept between two runs, as git's index keeps them.

mod format;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hythe_oci::{Algorithm, Digest};

use crate::context::Stat;

/// Files that a cache keeps. Those of a larger context are hashed each time, beyond this number.
const MAX_FILES: usize = 500_000;

/// Bytes of a cache file that are read; a larger one is ignored. A file with the most entries of usual length fits.
const MAX_BYTES: u64 = 256 << 20;

/// Caches in a folder; the oldest ones beyond this number are deleted.
const MAX_CACHES: usize = 64;

/// The time that a file must be unchanged before its hash is kept, in nanoseconds. A file that is written twice within one step
/// of its file system's clock keeps its times; the coarsest such steps are two seconds (FAT).
const SETTLED: i128 = 2_000_000_000;

/// The hashes of files by path, size, times and inode, kept in a folder between two runs. A file that is corrupt or was written by
/// another version is ignored.
#[derive(Debug)]
pub struct StatCache {
    folder: PathBuf,
    file: PathBuf,
    /// What was read, by the context's folder.
    known: Known,
    /// What this run found.
    current: Known,
}

/// The hashes of files by path, by the context's folder.
type Known = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Kept>>;

/// The hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    stat: Stat,
    hash: Digest,
    /// How many runs in a row did not need it.
    unused: u8,
}

/// Runs that an entry outlives without being needed: other builds of the same context need other files.
const MAX_UNUSED: u8 = 32;

impl StatCache {
    /// Reads the cache of a context's files from a folder, such as `$XDG_CACHE_HOME/hythe/stat`. Each context has a file there.
    pub fn open(folder: &Path, context: &Path) -> Self {
        let context = context.canonicalize().unwrap_or_else(|_| context.to_owned());
        let name = Digest::of(Algorithm::Sha256, context.as_os_str().as_bytes()).hex();
        let file = folder.join(&name[..32]);
        let known = Some(&file).filter(|file| fs::metadata(file).is_ok_and(|file| file.len() <= MAX_BYTES));
        let known = known.and_then(|file| fs::read(file).ok()).and_then(|bytes| format::read(&bytes));
        let known = known.unwrap_or_default();
        Self { folder: folder.to_owned(), file, known, current: Known::new() }
    }

    /// The hash of a file, if it is known for these facts.
    pub(crate) fn get(&self, root: &Path, path: &[u8], stat: &Stat) -> Option<Digest> {
        let known = self.known.get(root.as_os_str().as_bytes())?.get(path)?;
        (known.stat == *stat).then_some(known.hash)
    }

    /// Keeps the hash of a file whose facts were read before its bytes. `started` is a time before the first facts were read: a
    /// file that changed shortly before it may change again without other times, so its hash is not kept.
    pub(crate) fn keep(&mut self, root: &Path, path: &[u8], stat: &Stat, hash: Digest, started: i128) {
        let is_settled = stat.modified.max(stat.changed) + SETTLED <= started;
        let count: usize = self.current.values().map(BTreeMap::len).sum();
        if is_settled && count < MAX_FILES {
            let root = self.current.entry(root.as_os_str().as_bytes().to_vec()).or_default();
            root.insert(path.to_vec(), Kept { stat: *stat, hash, unused: 0 });
        }
    }

    /// Writes the cache, if it changed. The folder is created; only its owner can read it.
    pub fn save(&self) -> io::Result<()> {
        let kept = self.merged();
        if kept == self.known {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let new = self.file.with_extension(format!("{}.new", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&format::write(&kept)))
            .and_then(|()| fs::rename(&new, &self.file));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        self.delete_oldest();
        written
    }

    /// What this run found, and what other builds of the context may need.
    fn merged(&self) -> Known {
        let mut kept = self.current.clone();
        let mut count: usize = kept.values().map(BTreeMap::len).sum();
        for (root, files) in &self.known {
            let kept = kept.entry(root.clone()).or_default();
            for (path, known) in files.iter().filter(|(_, known)| known.unused < MAX_UNUSED) {
                if count < MAX_FILES && !kept.contains_key(path) {
                    kept.insert(path.clone(), Kept { unused: known.unused + 1, ..*known });
                    count += 1;
                }
            }
        }
        kept
    }

    fn delete_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let with_time = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let mut files: Vec<_> = entries.flatten().filter_map(with_time).collect();
        files.sort();
        let beyond = files.len().saturating_sub(MAX_CACHES);
        for (_, file) in files.into_iter().take(beyond) {
            let _ = fs::remove_file(file);
        }
    }
}

/// The time now, in nanoseconds since 1970.
pub(crate) fn now() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(changed: i128) -> Stat {
        Stat { size: 3, modified: changed, changed, inode: 7, device: 1 }
    }

    fn hash() -> Digest {
        Digest::of(Algorithm::Sha256, b"abc")
    }

    #[test]
    fn a_hash_is_found_again_for_the_same_facts_only() {
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (Path::new("/c"), b"a/\xff".as_slice());
        let mut cache = StatCache::open(folder.path(), root);
        cache.keep(root, path, &stat(5), hash(), SETTLED + 5);
        cache.save().unwrap();
        let cache = StatCache::open(folder.path(), root);
        assert_eq!(cache.get(root, path, &stat(5)), Some(hash()));
        assert_eq!(cache.get(root, path, &stat(6)), None);
        assert_eq!(cache.get(root, b"b", &stat(5)), None);
        assert_eq!(cache.get(Path::new("/d"), path, &stat(5)), None);
    }

    #[test]
    fn a_hash_of_a_file_that_changed_just_now_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new("/c");
        let mut cache = StatCache::open(folder.path(), root);
        cache.keep(root, b"a", &stat(SETTLED), hash(), SETTLED + 1);
        cache.save().unwrap();
        assert_eq!(StatCache::open(folder.path(), root).get(root, b"a", &stat(SETTLED)), None);
    }

    #[test]
    fn a_corrupt_cache_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new("/c");
        let mut cache = StatCache::open(folder.path(), root);
        cache.keep(root, b"a", &stat(5), hash(), SETTLED + 5);
        cache.save().unwrap();
        let file = cache.file.clone();
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&file, &bytes).unwrap();
            assert_eq!(StatCache::open(folder.path(), root).get(root, b"a", &stat(5)), None, "byte {at}");
            fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(StatCache::open(folder.path(), root).get(root, b"a", &stat(5)), None, "{at} bytes");
        }
    }

    #[test]
    fn a_folder_keeps_a_bounded_number_of_caches() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MAX_CACHES + 3 {
            let root = PathBuf::from(format!("/c/{number}"));
            let mut cache = StatCache::open(folder.path(), &root);
            cache.keep(&root, b"a", &stat(5), hash(), SETTLED + 5);
            cache.save().unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MAX_CACHES);
    }
}
