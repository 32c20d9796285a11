//! Whether the disk is fast: asked of the disk itself, once, when the first large blob comes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::direct;
use crate::{ALIGN, Direct, WRITE};

/// A fast disk makes 4 MiB durable in this time: 700 MB/s, which is more than comes over a SATA link. From a slower one a pull
/// would have to wait for what it reads.
const SOON: Duration = Duration::from_millis(6);

/// So often it is tried, and the best counts: whatever else goes on can only make it slower.
const TRIES: usize = 4;

/// So many pieces of [`WRITE`] are written and synced in a try: 4 MiB.
const PIECES: usize = (4 << 20) / WRITE;

/// So many times the size of a try must be free.
const SPARE: usize = 8;

/// Of one folder's disk.
#[derive(Debug)]
pub(super) struct Pace {
    folder: PathBuf,
    was_asked: AtomicBool,
    is_fast: AtomicBool,
}

impl Pace {
    /// Of a disk that is asked, in `folder`, or is said to be fast, or not to be.
    pub(super) fn new(folder: PathBuf, direct: Direct) -> Self {
        Self {
            folder,
            was_asked: (direct != Direct::Auto).into(),
            is_fast: (direct == Direct::Always).into(),
        }
    }

    /// Whether the disk is known to be fast. The first call begins to find out, which takes some ten
    /// milliseconds of a thread of its own.
    pub(super) fn is_fast(self: &Arc<Self>) -> bool {
        if !self.was_asked.swap(true, Ordering::Relaxed) {
            let this = Arc::clone(self);
            let find_out = move || {
                // What cannot be tried is not known to be fast: a full disk, or one that takes no direct writes.
                let is_fast = shortest(&this.folder).is_ok_and(|took| took <= SOON);
                this.is_fast.store(is_fast, Ordering::Relaxed);
            };
            // Without a thread likewise.
            let _ = thread::Builder::new().name("disk".to_owned()).spawn(find_out);
        }
        self.is_fast.load(Ordering::Relaxed)
    }
}

/// How long the best try took. On a disk that is nearly full none is made: its room is an upload's.
fn shortest(folder: &Path) -> io::Result<Duration> {
    let file = direct::open_nameless(folder)?;
    let found = rustix::fs::fstatvfs(&file)?;
    if found.f_bavail.saturating_mul(found.f_frsize) < (PIECES * WRITE * SPARE) as u64 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let mut memory = vec![0; WRITE + ALIGN];
    // Not all the same: some disks make less of that.
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
    fn a_disk_that_cannot_be_tried_is_not_fast() {
        let nowhere = Path::new("/proc/self/nowhere");
        let pace = Arc::new(Pace::new(nowhere.to_owned(), Direct::Auto));
        assert!(!pace.is_fast() && pace.was_asked.load(Ordering::Relaxed));
        shortest(nowhere).unwrap_err();
    }

    #[test]
    fn what_was_said_is_not_asked() {
        let is_fast = |direct| Arc::new(Pace::new(PathBuf::from("/"), direct)).is_fast();
        assert!(is_fast(Direct::Always));
        assert!(!is_fast(Direct::Never));
    }

    #[test]
    fn what_was_tried_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // Where the folder's file system takes no direct writes, that is the answer.
        let took = shortest(folder.path());
        assert!(took.is_err() || took.is_ok_and(|took| took < Duration::MAX));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
