//! Measures once, when the first large blob comes, whether the disk is fast.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::direct::{self, ALIGN, Direct};
use crate::WRITE;

/// The time in which a fast disk makes 4 MiB durable: 700 MB/s, which is more than a SATA link carries. On a slower
/// disk, pulls would have to wait for their reads.
const SOON: Duration = Duration::from_millis(6);

/// How many times the disk is measured. The fastest measurement counts: other load can only make one slower.
const TRIES: usize = 4;

/// Pieces of [`WRITE`] bytes that one measurement writes and syncs: 4 MiB.
const PIECES: usize = (4 << 20) / WRITE;

/// How many times the size of a measurement must be free on the disk.
const SPARE: usize = 8;

/// The known speed of the disk of one folder.
#[derive(Debug)]
pub(super) struct Pace {
    folder: PathBuf,
    was_asked: AtomicBool,
    is_fast: AtomicBool,
}

impl Pace {
    /// For the disk of `folder`. With [`Direct::Auto`] the disk is measured; otherwise the setting says whether it is
    /// fast.
    pub(super) fn new(folder: PathBuf, direct: Direct) -> Self {
        Self {
            folder,
            was_asked: (direct != Direct::Auto).into(),
            is_fast: (direct == Direct::Always).into(),
        }
    }

    /// Whether the disk is known to be fast. The first call starts the measurement, which takes about ten milliseconds
    /// on a thread of its own.
    pub(super) fn is_fast(self: &Arc<Self>) -> bool {
        if !self.was_asked.swap(true, Ordering::Relaxed) {
            let this = Arc::clone(self);
            let find_out = move || {
                // A disk that cannot be measured is not fast: one that is full, or that has no direct writes.
                let is_fast = shortest(&this.folder).is_ok_and(|took| took <= SOON);
                this.is_fast.store(is_fast, Ordering::Relaxed);
            };
            // Without a thread for the measurement, the disk is not known to be fast either.
            let _ = thread::Builder::new().name("disk".to_owned()).spawn(find_out);
        }
        self.is_fast.load(Ordering::Relaxed)
    }
}

/// How long the fastest measurement took. A disk that is nearly full is not measured, because its room belongs to
/// uploads.
fn shortest(folder: &Path) -> io::Result<Duration> {
    let file = direct::open_nameless(folder)?;
    let found = rustix::fs::fstatvfs(&file)?;
    if found.f_bavail.saturating_mul(found.f_frsize) < (PIECES * WRITE * SPARE) as u64 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let mut memory = vec![0; WRITE + ALIGN];
    // The bytes differ from each other, because some disks store equal bytes faster.
    memory.iter_mut().zip(0_u32..).for_each(|(byte, at)| *byte = (at.wrapping_mul(0x9E37_79B9) >> 24) as u8);
    let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
    let piece = Bytes::from(memory).slice(start..start + WRITE);
    let pieces = vec![piece; PIECES];
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let began = Instant::now();
        if !direct::write(&file, 0, &pieces)? {
            return Err(io::ErrorKind::Unsupported.into());
        }
        file.sync_data()?;
        best = best.min(began.elapsed());
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_cannot_be_measured_is_not_fast() {
        let nowhere = Path::new("/proc/self/nowhere");
        let pace = Arc::new(Pace::new(nowhere.to_owned(), Direct::Auto));
        assert!(!pace.is_fast() && pace.was_asked.load(Ordering::Relaxed));
        shortest(nowhere).unwrap_err();
    }

    #[test]
    fn a_setting_other_than_auto_decides_without_a_measurement() {
        let is_fast = |direct| Arc::new(Pace::new(PathBuf::from("/"), direct)).is_fast();
        assert!(is_fast(Direct::Always));
        assert!(!is_fast(Direct::Never));
    }

    #[test]
    fn a_measurement_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        // On a file system without direct writes, the result is an error.
        let took = shortest(folder.path());
        assert!(took.is_err() || took.is_ok_and(|took| took < Duration::MAX));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
