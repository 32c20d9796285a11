//! Room on the disk that no upload may use.
//!
//! A delete needs room before it frees any, because the catalog's log grows first. So a file of a few MiB holds some
//! room, and is truncated to zero bytes when a delete finds the disk full. Until the file has its size again, uploads
//! are refused.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};

/// The full size of the file, in bytes.
const FULL: u64 = 8 << 20;

/// The smallest useful size of the file, in bytes: the log of the largest group of deletes is smaller.
const LEAST: u64 = 2 << 20;

/// A file below the full size is a multiple of this many bytes.
const STEP: u64 = 64 << 10;

/// How much a file below the full size leaves free, in bytes: for folders and a few pages of the log, which a push
/// needs beside its own bytes.
const SLACK: u64 = 128 << 10;

/// How many times the full size must be free before a small file grows to the full size again.
const PLENTY: u64 = 2;

/// The reserve of a data folder.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    /// Whether the file has its room, so that uploads may use the rest of the disk.
    is_held: AtomicBool,
    /// Whether a delete uses the room now. Changes only under the lock of `held`.
    lent: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// The file; `None` if it could not be created yet.
    file: Option<File>,
    /// The size of the file in bytes; 0 while its room is given up.
    size: u64,
    /// The size, in bytes, that the file had last or should have.
    wanted: u64,
}

impl Reserve {
    /// The reserve in `root`; creates its file if there is room. Blocking.
    pub(super) fn open(root: &Path) -> Self {
        let path = root.join("reserve");
        let file = open(&path).ok();
        let size = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |found| allocated(&found));
        // A file below the smallest useful size holds no room worth keeping.
        let size = if (LEAST..=FULL).contains(&size) { size } else { 0 };
        let held = Mutex::new(Held { file, size, wanted: FULL });
        let reserve = Self { path, is_held: AtomicBool::new(size > 0), lent: AtomicBool::new(false), held };
        reserve.fill_up();
        reserve
    }

    /// Whether the file has its room, and no delete uses it. Reads memory only.
    pub fn is_whole(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Lends the room to a delete, until [`returned`](Self::returned). False if the room cannot be freed.
    pub fn give_up(&self) -> bool {
        let mut held = self.held.lock();
        let Held { file, size, wanted } = &mut *held;
        let Some(file) = file else { return false };
        if *size > 0 {
            self.is_held.store(false, Ordering::Release);
            if file.set_len(0).is_err() {
                return false;
            }
            (*size, *wanted) = (0, *size);
            // Some file systems do not give freed blocks to another file before the truncation is on the disk.
            if file.sync_all().is_err() {
                return false;
            }
        }
        self.lent.store(true, Ordering::Release);
        true
    }

    /// Ends the loan: the delete that [borrowed](Self::give_up) the room has ended. Takes the room back, or leaves that
    /// to the next [`take_back`](Self::take_back).
    pub fn returned(&self) {
        let mut held = self.held.lock();
        self.lent.store(false, Ordering::Release);
        self.grow(&mut held);
    }

    /// Takes the room back if it was given up. False if the disk does not have the room yet, or if a delete still uses
    /// it.
    pub fn take_back(&self) -> bool {
        if self.is_whole() {
            return true;
        }
        // First without the lock: `give_up` and `returned` hold it while the disk works.
        if self.lent.load(Ordering::Acquire) {
            return false;
        }
        let mut held = self.held.lock();
        !self.lent.load(Ordering::Acquire) && self.grow(&mut held)
    }

    /// Gives up a little room if the disk has none left, before a file is removed: the upload that takes the place of
    /// the removed file needs more than its own bytes.
    pub(super) fn make_way(&self) {
        let mut held = self.held.lock();
        if let Some(file) = &held.file
            && held.size >= LEAST + SLACK
            && free(file) < SLACK
            && file.set_len(held.size - SLACK).is_ok()
        {
            held.size -= SLACK;
            held.wanted = held.size;
        }
    }

    /// Takes the room back if it was given up, and grows a small file to the full size if the disk has plenty of room.
    pub(super) fn fill_up(&self) {
        if !self.take_back() {
            return;
        }
        let mut held = self.held.lock();
        if let Some(file) = &held.file
            && held.size < FULL
            && free(file) >= FULL * PLENTY
        {
            // If that fails, the file keeps its size.
            held.size = allocate_most(file, held.size, FULL).unwrap_or(held.size);
        }
    }

    /// Makes the file as large as it was, or somewhat smaller: the delete that used the room has taken some of it.
    /// Whether uploads may use the disk again.
    fn grow(&self, held: &mut Held) -> bool {
        if held.file.is_none() {
            held.file = open(&self.path).ok();
        }
        let Some(file) = &held.file else { return false };
        let is_held = match allocate_most(file, held.size, held.wanted) {
            Ok(size) => {
                held.size = size;
                held.wanted = if size > 0 { size } else { held.wanted };
                size > 0
            }
            // This file system cannot allocate such a file at all. That must not stop uploads.
            Err(_) => true,
        };
        self.is_held.store(is_held, Ordering::Release);
        is_held
    }
}

/// Allocates `wanted` bytes, or less if the disk is full. Returns the size that the file has then, at least `before`.
fn allocate_most(file: &File, before: u64, wanted: u64) -> io::Result<u64> {
    let there_is =
        rustix::fs::fstatvfs(file).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    let fitting = (before + there_is).saturating_sub(SLACK) / STEP * STEP;
    let sizes = [wanted, fitting.min(wanted), fitting.min(wanted).saturating_sub(4 * STEP)];
    for size in sizes.into_iter().filter(|size| *size >= LEAST) {
        match allocate(file, size) {
            Ok(()) => return Ok(size),
            Err(error) => {
                // The failed call may have allocated some blocks, which stay allocated.
                file.set_len(before)?;
                if !is_full(&error) {
                    return Err(error);
                }
            }
        }
    }
    Ok(before)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// How many bytes of the file certainly have blocks: all of them, or none if the file has a hole.
fn allocated(found: &Metadata) -> u64 {
    if found.blocks() * 512 >= found.len() { found.len() } else { 0 }
}

/// How many bytes the disk has free.
fn free(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// Allocates blocks of the file up to `size`.
fn allocate(file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(()),
        Err(error) if error == rustix::io::Errno::OPNOTSUPP => write_zeros(file, size),
        Err(error) => Err(error.into()),
    }
}

/// Allocates by writing, for file systems that allocate blocks only for written bytes.
fn write_zeros(mut file: &File, size: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};

    let piece = vec![0; STEP as usize];
    file.seek(SeekFrom::Start(0))?;
    for _ in 0..size / STEP {
        file.write_all(&piece)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(folder: &Path) -> u64 {
        std::fs::metadata(folder.join("reserve")).unwrap().len()
    }

    #[test]
    fn the_reserve_is_given_up_and_taken_back_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(folder.path());
        assert_eq!(size(folder.path()), FULL);
        assert!(reserve.take_back() && reserve.give_up() && reserve.give_up());
        assert_eq!(size(folder.path()), 0);
        reserve.returned();
        assert!(reserve.take_back());
        assert_eq!(size(folder.path()), FULL);
        reserve.give_up();
        drop(reserve);
        // As if the process had ended while the room was given up.
        assert!(Reserve::open(folder.path()).take_back());
        assert_eq!(size(folder.path()), FULL);
    }

    #[test]
    fn while_a_delete_uses_the_room_nothing_takes_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(folder.path());
        assert!(reserve.give_up() && !reserve.take_back());
        reserve.fill_up();
        assert_eq!(size(folder.path()), 0);
        reserve.returned();
        assert_eq!(size(folder.path()), FULL);
        assert!(reserve.take_back());
    }

    #[test]
    fn a_file_without_blocks_gets_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        File::create(&path).unwrap().set_len(FULL).unwrap();
        assert_eq!(allocated(&path.metadata().unwrap()), 0);
        assert!(Reserve::open(folder.path()).take_back());
        assert_eq!(allocated(&path.metadata().unwrap()), FULL);
    }

    #[test]
    fn without_a_folder_there_is_no_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(&folder.path().join("nowhere"));
        assert!(!reserve.give_up() && !reserve.take_back());
    }
}
