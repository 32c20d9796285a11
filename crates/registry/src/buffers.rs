//! The memory that all uploads share: buffers that the storage can write as they stand.
//!
//! They lie in huge pages where the system has them: the kernel pins, counts and releases each page of a direct write,
//! which for 4 KiB pages is a tenth of what a push costs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hythe_storage::WRITE;
use memmap2::MmapOptions;

/// What a buffer holds: large enough that handing it to other threads costs little, small enough to stay in a core's
/// cache.
pub(crate) const FULL: usize = WRITE;

/// A huge page of x86-64, and of ARM with 4 KiB pages. Elsewhere the system makes of it what it can.
const HUGE: usize = 2 << 20;

/// Aligned buffers of [`FULL`] bytes, a fixed number of them.
pub(crate) struct Buffers(Arc<Pool>);

struct Pool {
    /// How many there may be.
    all: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How many were made.
    made: usize,
    /// Those of them that are not taken. The last one that came back goes first: its memory is warm, and what few
    /// uploads never need is never touched.
    free: Vec<&'static mut [u8]>,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Held for a push, a pop, or the making of a few, which are counted once they are there.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffers {
    /// As many as `bytes` hold, and one at least.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Pool { all: (bytes / FULL).max(1), kept: Mutex::default() }))
    }

    /// None where all are taken, or the system has no memory for one more. Never waits for another to come back.
    pub(crate) fn take(&self) -> Option<Buffer> {
        let mut kept = self.0.lock();
        let left = self.0.all - kept.made;
        if kept.free.is_empty() && left > 0 {
            kept.free.extend(huge_page()?.chunks_exact_mut(FULL).take(left));
            kept.made += kept.free.len();
        }
        let memory = kept.free.pop()?;
        drop(kept);
        Some(Buffer { memory, length: 0, pool: Arc::clone(&self.0) })
    }

    /// Whether fewer than a quarter of them can be taken.
    pub(crate) fn are_scarce(&self) -> bool {
        let kept = self.0.lock();
        4 * (self.0.all - kept.made + kept.free.len()) < self.0.all
    }
}

/// A new one, for as long as the process runs: uploads come again.
fn huge_page() -> Option<&'static mut [u8]> {
    // Twice as long, as older kernels map it anywhere; what lies outside of the page is never touched.
    let map = MmapOptions::new().len(2 * HUGE).no_reserve_swap().map_anon().ok()?;
    // Refused where the kernel was built without them.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    let start = map.as_ptr().align_offset(HUGE).min(HUGE);
    Box::leak(Box::new(map)).get_mut(start..start + HUGE)
}

/// One buffer; goes back when dropped.
pub(crate) struct Buffer {
    memory: &'static mut [u8],
    length: usize,
    pool: Arc<Pool>,
}

impl Buffer {
    /// Adds `bytes`, for which there is room.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// Memory for the next `length` bytes, for which there is room.
    pub(crate) fn space(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.length..self.length + length]
    }

    /// Adds what was put at the front of its [space](Self::space).
    pub(crate) fn filled(&mut self, length: usize) {
        self.length += length;
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.lock().free.push(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::ALIGN;

    use super::*;

    #[test]
    fn so_many_can_be_taken_and_each_comes_back() {
        let buffers = Buffers::new(10 * FULL + 1);
        let mut taken: Vec<_> = (0..10).map(|_| buffers.take()).collect();
        assert!(taken.iter().all(Option::is_some) && buffers.take().is_none() && buffers.are_scarce());
        taken.pop();
        assert!(buffers.take().is_some());
        taken.truncate(7);
        assert!(!buffers.are_scarce());
    }

    #[test]
    fn no_two_share_memory_and_all_lie_as_the_storage_likes_it() {
        let buffers = Buffers::new(10 * FULL);
        let mut taken: Vec<_> = (0..10).filter_map(|_| buffers.take()).collect();
        for (number, buffer) in (0..).zip(&mut taken) {
            buffer.extend(&vec![number; FULL]);
        }
        for (number, buffer) in (0..).zip(&taken) {
            assert!(buffer.as_ref().iter().all(|byte| *byte == number));
            assert_eq!((buffer.as_ref().as_ptr().align_offset(ALIGN), buffer.len()), (0, FULL));
        }
    }

    #[test]
    fn what_came_back_last_goes_first_and_is_empty() {
        let buffers = Buffers::new(4 * FULL);
        let mut first = buffers.take().unwrap();
        first.extend(b"old");
        let (warm, other) = (first.as_ref().as_ptr(), buffers.take());
        drop(first);
        let next = buffers.take().unwrap();
        assert_eq!((next.memory.as_ptr(), next.as_ref()), (warm, &b""[..]));
        drop(other);
    }
}
