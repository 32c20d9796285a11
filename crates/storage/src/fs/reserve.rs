//! Room on the disk that no upload gets.
//!
//! To delete takes room before it frees any: the catalog's log grows first. So a file of a few MiB holds some, and is
//! cut to nothing when the disk is full and something is to be deleted. Until it has its size again no upload is taken.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

/// How large the file is where there is room.
const FULL: u64 = 8 << 20;

/// How large it must be: the log of the largest group of deletes has less.
const LEAST: u64 = 2 << 20;

/// A smaller one is a multiple of this.
const STEP: u64 = 64 << 10;

/// What a smaller one leaves: folders and a few pages of the log, which a push needs beside its own bytes.
const SLACK: u64 = 128 << 10;

/// So many times the full size must be free before a small one is made large again.
const PLENTY: u64 = 2;

/// The reserve of a data folder.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    /// Whether it is there, so that uploads may take what room there is beside it.
    is_held: AtomicBool,
    /// Whether a delete uses the room now. Changed only under the lock.
    lent: AtomicBool,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    /// `None` where it could not be made yet.
    file: Option<File>,
    /// How large it is; 0 while it is given up.
    size: u64,
    /// How large it was last, or is to be.
    wanted: u64,
}

impl Reserve {
    /// The reserve in `root`, made where there is room. Blocking.
    pub(super) fn open(root: &Path) -> Self {
        let path = root.join("reserve");
        let file = open(&path).ok();
        let size = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |found| allocated(&found));
        // One that is smaller than it must be holds nothing worth keeping.
        let size = if (LEAST..=FULL).contains(&size) { size } else { 0 };
        let held = Mutex::new(Held { file, size, wanted: FULL });
        let reserve = Self { path, is_held: AtomicBool::new(size > 0), lent: AtomicBool::new(false), held };
        reserve.fill_up();
        reserve
    }

    /// Whether the room is there and not lent. Asks memory only.
    pub fn is_whole(&self) -> bool {
        self.is_held.load(Ordering::Acquire)
    }

    /// Lends the room to a delete, until [`returned`](Self::returned); false where there is none.
    pub fn give_up(&self) -> bool {
        let mut held = self.lock();
        let Held { file, size, wanted } = &mut *held;
        let Some(file) = file else { return false };
        if *size > 0 {
            self.is_held.store(false, Ordering::Release);
            if file.set_len(0).is_err() {
                return false;
            }
            (*size, *wanted) = (0, *size);
            // Some file systems let nobody have freed blocks before this is on the disk.
            if file.sync_all().is_err() {
                return false;
            }
        }
        self.lent.store(true, Ordering::Release);
        true
    }

    /// The delete that [borrowed](Self::give_up) the room has ended: takes the room back, or leaves that to the next
    /// [`take_back`](Self::take_back).
    pub fn returned(&self) {
        let mut held = self.lock();
        self.lent.store(false, Ordering::Release);
        self.grow(&mut held);
    }

    /// Takes the room back where it was given up; false where it cannot be had yet, or is lent.
    pub fn take_back(&self) -> bool {
        if self.is_whole() {
            return true;
        }
        // Without the lock first: whoever lends the room holds it while the disk works.
        if self.lent.load(Ordering::Acquire) {
            return false;
        }
        let mut held = self.lock();
        !self.lent.load(Ordering::Acquire) && self.grow(&mut held)
    }

    /// Yields a little where the disk has nothing at all, before something is removed: what takes the place of that needs
    /// more than its own bytes.
    pub(super) fn make_way(&self) {
        let mut held = self.lock();
        if let Some(file) = &held.file
            && held.size >= LEAST + SLACK
            && free(file) < SLACK
            && file.set_len(held.size - SLACK).is_ok()
        {
            held.size -= SLACK;
            held.wanted = held.size;
        }
    }

    /// Takes the room back where it was given up, and makes a small one large again where there is plenty.
    pub(super) fn fill_up(&self) {
        if !self.take_back() {
            return;
        }
        let mut held = self.lock();
        if let Some(file) = &held.file
            && held.size < FULL
            && free(file) >= FULL * PLENTY
        {
            // In vain it stays as it is.
            held.size = allocate_most(file, held.size, FULL).unwrap_or(held.size);
        }
    }

    /// As large as it was, or somewhat smaller: what was deleted in its room has taken some.
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
            // Such a file cannot be had here at all, which must keep nobody from working.
            Err(_) => true,
        };
        self.is_held.store(is_held, Ordering::Release);
        is_held
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Allocates `wanted` bytes, or less where the disk is full. The size that the file has then, `before` at least.
fn allocate_most(file: &File, before: u64, wanted: u64) -> io::Result<u64> {
    let there_is =
        rustix::fs::fstatvfs(file).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    let fitting = (before + there_is).saturating_sub(SLACK) / STEP * STEP;
    let sizes = [wanted, fitting.min(wanted), fitting.min(wanted).saturating_sub(4 * STEP)];
    for size in sizes.into_iter().filter(|size| *size >= LEAST) {
        match allocate(file, size) {
            Ok(()) => return Ok(size),
            Err(error) => {
                // What came before the failure stays allocated.
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

/// How many bytes of the file are sure to have blocks: all, or none where it has a hole.
fn allocated(found: &Metadata) -> u64 {
    if found.blocks() * 512 >= found.len() { found.len() } else { 0 }
}

/// How many bytes the disk has free.
fn free(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize))
}

/// Gives the file blocks up to `size`.
fn allocate(file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(()),
        Err(error) if error == rustix::io::Errno::OPNOTSUPP => write_zeros(file, size),
        Err(error) => Err(error.into()),
    }
}

/// For file systems that allocate only what is written.
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
    fn it_is_given_up_and_taken_back_and_found_again() {
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
        // A process that ended meanwhile.
        assert!(Reserve::open(folder.path()).take_back());
        assert_eq!(size(folder.path()), FULL);
    }

    #[test]
    fn while_a_delete_uses_it_nobody_takes_it_back() {
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
    fn one_without_blocks_is_given_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reserve");
        File::create(&path).unwrap().set_len(FULL).unwrap();
        assert_eq!(allocated(&path.metadata().unwrap()), 0);
        assert!(Reserve::open(folder.path()).take_back());
        assert_eq!(allocated(&path.metadata().unwrap()), FULL);
    }

    #[test]
    fn without_a_folder_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::open(&folder.path().join("nowhere"));
        assert!(!reserve.give_up() && !reserve.take_back());
    }
}
