//! Batches: bytes of one upload that are written and hashed together, in memory that all uploads share.
//!
//! The storage can write a buffer without a copy. Received bytes are read into the buffer, or copied into it at once,
//! while they are in the core's cache. So the connection's own buffer is free again, and the memory in use is known to
//! the byte.

use bytes::{Bytes, BytesMut};

use crate::buffers::{Buffer, Buffers, FULL};

/// How many bytes an upload may hold without a buffer, so that a thousand slow uploads do not take the buffers from
/// fast ones.
const FREE: usize = 8 << 10;

/// Bytes that are written together. A batch ends at an offset that is a multiple of [`FULL`].
pub(crate) struct Batch {
    /// The bytes that came before the batch got a buffer.
    small: BytesMut,
    buffer: Option<Buffer>,
    room: usize,
}

impl Batch {
    /// An empty batch that starts at `offset`.
    pub(crate) fn at(offset: u64) -> Self {
        Self { small: BytesMut::new(), buffer: None, room: FULL - (offset % FULL as u64) as usize }
    }

    /// An empty batch behind a full one. Such fast bytes are read into a buffer from the first byte on, as long as
    /// buffers are not scarce.
    pub(crate) fn behind_full(offset: u64, buffers: &Buffers) -> Self {
        let buffer = if buffers.are_scarce() { None } else { buffers.take() };
        Self { buffer, ..Self::at(offset) }
    }

    /// Takes as many of the next bytes as the batch has room for. True if the batch should be processed now, because it
    /// is full, or because no buffer is free for it.
    pub(crate) fn push(&mut self, bytes: &mut Bytes, buffers: &Buffers) -> bool {
        let piece = bytes.split_to(bytes.len().min(self.room));
        self.room -= piece.len();
        if self.buffer.is_none() && self.small.len() + piece.len() > FREE {
            self.find_buffer(buffers);
        }
        match &mut self.buffer {
            Some(buffer) => buffer.extend(&piece),
            None => self.small.extend_from_slice(&piece),
        }
        self.is_full() || self.is_starved()
    }

    /// The memory into which a caller can read the next bytes; empty as long as the batch has no buffer.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], |buffer| buffer.space(self.room))
    }

    /// Adds `length` bytes, which the caller read to the front of the batch's [space](Self::space).
    ///
    /// # Panics
    /// If `length` is larger than that space: the bytes would be elsewhere.
    pub(crate) fn filled(&mut self, length: usize) {
        let buffer = self.buffer.as_mut().filter(|_| length <= self.room);
        buffer.expect("bytes were put where there is space").filled(length);
        self.room -= length;
    }

    /// Moves the batch's bytes into a buffer, if one is free.
    pub(crate) fn find_buffer(&mut self, buffers: &Buffers) {
        self.buffer = buffers.take();
        if let Some(buffer) = &mut self.buffer {
            buffer.extend(&self.small);
            self.small = BytesMut::new();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    pub(crate) fn length(&self) -> u64 {
        (self.small.len() + self.buffer.as_ref().map_or(0, Buffer::len)) as u64
    }

    /// Whether the batch holds more bytes than it may without a buffer.
    pub(crate) fn is_starved(&self) -> bool {
        self.small.len() > FREE
    }

    /// A copy of the batch's bytes, from its byte `from` on.
    pub(crate) fn copy(&self, from: usize) -> Bytes {
        let held = self.buffer.as_ref().map_or(&self.small[..], AsRef::as_ref);
        Bytes::copy_from_slice(&held[from..])
    }

    /// The bytes of the batch. Their buffer is free again when the last clone of them is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.buffer {
            Some(buffer) => Bytes::from_owner(buffer),
            None => self.small.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::fs::ALIGN;

    use super::*;

    fn push(batch: &mut Batch, length: usize, buffers: &Buffers) -> bool {
        batch.push(&mut Bytes::from(vec![0; length]), buffers)
    }

    #[test]
    fn a_batch_is_ready_when_it_is_full() {
        let buffers = Buffers::new(1 << 20);
        let mut batch = Batch::at(0);
        assert!(!push(&mut batch, FULL - 1, &buffers));
        assert!(push(&mut batch, 1, &buffers));
        assert_eq!(batch.length(), FULL as u64);
    }

    #[test]
    fn a_full_batch_is_aligned_for_the_storage() {
        let buffers = Buffers::new(1 << 20);
        let mut batch = Batch::at(0);
        assert!(!push(&mut batch, 10, &buffers));
        assert!(push(&mut batch, FULL - 10, &buffers));
        let bytes = batch.into_bytes();
        assert_eq!((bytes.as_ptr().align_offset(ALIGN), bytes.len()), (0, FULL));
    }

    #[test]
    fn a_batch_ends_at_a_multiple_of_its_size_and_leaves_the_rest() {
        let buffers = Buffers::new(1 << 20);
        let mut batch = Batch::at(FULL as u64 * 3 + 100);
        let mut bytes = Bytes::from(vec![0; FULL]);
        assert!(batch.push(&mut bytes, &buffers));
        assert_eq!((batch.length(), bytes.len()), (FULL as u64 - 100, 100));
    }

    #[test]
    fn without_a_buffer_a_batch_is_ready_as_soon_as_it_exceeds_the_free_allowance() {
        let buffers = Buffers::new(FULL);
        let mut rich = Batch::at(0);
        assert!(!push(&mut rich, FREE + 1, &buffers));
        let mut poor = Batch::at(0);
        assert!(!push(&mut poor, FREE, &buffers));
        assert!(push(&mut poor, 1, &buffers));
        assert!(poor.is_starved() && !rich.is_starved());
        let bytes = rich.into_bytes();
        assert!(
            push(&mut Batch::at(0), FREE + 1, &buffers),
            "a buffer stays taken as long as its bytes are not dropped"
        );
        drop(bytes);
        assert!(!push(&mut Batch::at(0), FREE + 1, &buffers), "the buffer is free again");
    }

    #[test]
    fn pieces_of_every_size_keep_their_order() {
        let buffers = Buffers::new(1 << 20);
        let mut batch = Batch::at(0);
        let mut all = Vec::new();
        for number in 0..10_000_u32 {
            let piece = vec![number as u8; number as usize % 40];
            all.extend_from_slice(&piece);
            assert!(!batch.push(&mut piece.into(), &buffers));
        }
        assert_eq!(batch.into_bytes(), all);
    }
}
