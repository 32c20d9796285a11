//! Memory for a body whose length is not known in advance.

use bytes::Bytes;
use memmap2::MmapMut;

/// The largest body, in bytes, that is kept on the heap. A larger one gets its own mapping, which the system gets back
/// as soon as it is dropped. An allocator would keep freed memory, once for each of its arenas.
const HEAP: usize = 64 << 10;

/// Memory that grows.
pub(crate) enum Memory {
    Heap(Vec<u8>),
    /// The system allocates a page only when it is first written.
    Mapped(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl Memory {
    /// The memory, grown to at least `length` bytes. It will never need more than `most`.
    pub(crate) fn grown(&mut self, length: usize, most: usize) -> &mut [u8] {
        if let Self::Heap(heap) = self
            && length > HEAP
            && let Ok(mut mapped) = MmapMut::map_anon(most)
        {
            mapped[..heap.len()].copy_from_slice(heap);
            *self = Self::Mapped(mapped);
        }
        match self {
            Self::Heap(heap) => {
                heap.resize(length, 0);
                heap
            }
            Self::Mapped(mapped) => mapped,
        }
    }

    /// The first `length` bytes.
    pub(crate) fn into_bytes(self, length: usize) -> Bytes {
        match self {
            Self::Heap(mut heap) => {
                heap.truncate(length);
                heap.into()
            }
            Self::Mapped(mapped) => Bytes::from_owner(mapped).slice(..length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bytes_are_kept_when_memory_grows() {
        for most in [100, HEAP, HEAP + 1, 10 * HEAP] {
            let (mut memory, mut length) = (Memory::default(), 0);
            while length < most {
                let room = (length + 10_000).min(most);
                memory.grown(room, most)[length..room].fill(length as u8);
                length = room;
            }
            let bytes = memory.into_bytes(most - 1);
            assert_eq!(bytes.len(), most - 1);
            let right = |(place, byte): (usize, &u8)| *byte == (place / 10_000 * 10_000) as u8;
            assert!(bytes.iter().enumerate().all(right), "{most}");
        }
    }
}
