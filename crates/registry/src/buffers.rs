//! The memory that all uploads share: buffers that the storage can write without a copy.
//!
//! The buffers lie in huge pages if the system has them: the kernel pins, counts and releases each page of a direct
//! write, which with pages of 4 KiB is a tenth of the cost of a push.

use std::sync::Arc;

use hythe_storage::WRITE;
use memmap2::MmapOptions;
use parking_lot::Mutex;

/// The size of a buffer, in bytes: large enough that handing it to other threads costs little, small enough to stay in
/// a core's cache.
pub(crate) const FULL: usize = WRITE;

/// The size of a huge page, in bytes, on x86-64 and on ARM with 4 KiB pages. On other systems the memory may lie in
/// smaller pages.
const HUGE: usize = 2 << 20;

/// A fixed number of aligned buffers of [`FULL`] bytes.
pub(crate) struct Buffers(Arc<Pool>);

struct Pool {
    /// How many buffers may exist.
    all: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// How many buffers were created.
    made: usize,
    /// The free buffers. The one that came back last is taken first: its memory is in the cache, and memory that a few
    /// uploads never need is never touched.
    free: Vec<&'static mut [u8]>,
}

impl Pool {}

impl Buffers {
    /// As many buffers as fit into `bytes`, but at least one.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Pool { all: (bytes / FULL).max(1), kept: Mutex::default() }))
    }

    /// A free buffer; `None` if all are taken, or if the system has no memory for another. Never waits for a buffer.
    pub(crate) fn take(&self) -> Option<Buffer> {
        let mut kept = self.0.kept.lock();
        let left = self.0.all - kept.made;
        if kept.free.is_empty() && left > 0 {
            kept.free.extend(huge_page()?.chunks_exact_mut(FULL).take(left));
            kept.made += kept.free.len();
        }
        let memory = kept.free.pop()?;
        drop(kept);
        Some(Buffer { memory, length: 0, pool: Arc::clone(&self.0) })
    }

    /// Whether fewer than a quarter of the buffers are free.
    pub(crate) fn are_scarce(&self) -> bool {
        let kept = self.0.kept.lock();
        4 * (self.0.all - kept.made + kept.free.len()) < self.0.all
    }
}

/// A new huge page. The process keeps it to its end, because more uploads will come.
fn huge_page() -> Option<&'static mut [u8]> {
    // The mapping is twice as long, because older kernels do not align it; the bytes outside of the page are never
    // touched.
    let map = MmapOptions::new().len(2 * HUGE).no_reserve_swap().map_anon().ok()?;
    // This fails if the kernel was built without huge pages, which does no harm.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    let start = map.as_ptr().align_offset(HUGE).min(HUGE);
    Box::leak(Box::new(map)).get_mut(start..start + HUGE)
}

/// One buffer. It is free again when dropped.
pub(crate) struct Buffer {
    memory: &'static mut [u8],
    length: usize,
    pool: Arc<Pool>,
}

impl Buffer {
    /// Adds `bytes`, for which the buffer must have room.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// The memory for the next `length` bytes, for which the buffer must have room.
    pub(crate) fn space(&mut self, length: usize) -> &mut [u8] {
        &mut self.memory[self.length..self.length + length]
    }

    /// Adds `length` bytes, which the caller put at the front of the buffer's [space](Self::space).
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
        self.pool.kept.lock().free.push(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::fs::ALIGN;

    use super::*;

    #[test]
    fn a_fixed_number_of_buffers_can_be_taken_and_each_can_be_taken_again() {
        let buffers = Buffers::new(10 * FULL + 1);
        let mut taken: Vec<_> = (0..10).map(|_| buffers.take()).collect();
        assert!(taken.iter().all(Option::is_some) && buffers.take().is_none() && buffers.are_scarce());
        taken.pop();
        assert!(buffers.take().is_some());
        taken.truncate(7);
        assert!(!buffers.are_scarce());
    }

    #[test]
    fn no_two_buffers_share_memory_and_all_are_aligned() {
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
    fn the_buffer_that_came_back_last_is_taken_first_and_is_empty() {
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
