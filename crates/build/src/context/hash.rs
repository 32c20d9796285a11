//! Hashes the bytes of files, several at once.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hythe_oci::{Algorithm, Digest, HashState};

use super::place;
use super::tree::Unreadable;

/// Bytes of a file that are read at once.
const BUFFER: usize = 128 << 10;

/// Threads that hash at once. More would wait for the disk and for memory.
const MAX_THREADS: usize = 8;

/// Files that a thread takes at once, so that threads do not fight for the next one.
const BATCH: usize = 32;

/// The hashes of files, in the order of the paths. The first file that cannot be read ends the work.
pub(crate) fn hash_files(root: &Path, paths: &[&[u8]]) -> Result<Vec<Digest>, Unreadable> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(MAX_THREADS).min(paths.len().div_ceil(BATCH)).max(1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(paths.len())));
    let work = || {
        let mut buffer = vec![0; BUFFER];
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(batch) =
                paths.get(start..paths.len().min(start + BATCH)).filter(|batch| !batch.is_empty())
            else {
                return Ok(());
            };
            let hashes = batch.iter().map(|path| hash(&place(root, path), &mut buffer));
            match hashes.collect::<Result<Vec<Digest>, Unreadable>>() {
                Ok(hashes) => {
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((start, hashes));
                }
                Err(error) => {
                    next.store(paths.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            result = result.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result
    })?;
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(start, _)| *start);
    Ok(done.into_iter().flat_map(|(_, hashes)| hashes).collect())
}

fn hash(path: &PathBuf, buffer: &mut [u8]) -> Result<Digest, Unreadable> {
    let mut read = || {
        let mut file = File::open(path)?;
        let mut state = HashState::new(Algorithm::Sha256);
        loop {
            match file.read(buffer)? {
                0 => return Ok(state.finish()),
                length => state.update(&buffer[..length]),
            }
        }
    };
    read().map_err(|source| Unreadable { path: path.clone(), source })
}
