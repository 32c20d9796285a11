//! The bytes of one upload that wait to be written and hashed together, in memory that all uploads share.
//!
//! A buffer is what the storage can write as it stands. What arrives is read to there, or copied at once while it is in
//! the core's cache: the connection's own buffer is free again, and memory is counted to the byte.

use bytes::{Bytes, BytesMut};

use crate::buffers::{Buffer, Buffers, FULL};

/// What an upload may hold without a buffer: so that a thousand slow ones do not stop the fast ones.
const FREE: usize = 8 << 10;

/// Bytes that belong together in one write, which ends where a multiple of [`FULL`] does.
pub(crate) struct Batch {
    /// What comes before there is a buffer.
    small: BytesMut,
    buffer: Option<Buffer>,
    room: usize,
}

impl Batch {
    /// An empty batch that starts at `offset`.
    pub(crate) fn at(offset: u64) -> Self {
        Self { small: BytesMut::new(), buffer: None, room: FULL - (offset % FULL as u64) as usize }
    }

    /// An empty batch behind one that was full: what comes so fast is read to a buffer from its first byte on, while
    /// there are enough of them.
    pub(crate) fn behind_full(offset: u64, buffers: &Buffers) -> Self {
        let buffer = if buffers.are_scarce() { None } else { buffers.take() };
        Self { buffer, ..Self::at(offset) }
    }

    /// Takes of the next bytes what it has room for; true when it should be processed now, because it is full or
    /// there is no buffer for it.
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

    /// Where the next bytes can be put by whoever has them; empty as long as it has no buffer.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], |buffer| buffer.space(self.room))
    }

    /// Takes what was put at the front of its [space](Self::space).
    ///
    /// # Panics
    /// If it is more than there was space for: the bytes would be somewhere else.
    pub(crate) fn filled(&mut self, length: usize) {
        let buffer = self.buffer.as_mut().filter(|_| length <= self.room);
        buffer.expect("bytes were put where there is space").filled(length);
        self.room -= length;
    }

    /// Moves what it holds into a buffer, if one is free.
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

    /// Whether it holds more than it may without a buffer.
    pub(crate) fn is_starved(&self) -> bool {
        self.small.len() > FREE
    }

    /// A copy of what it holds from the byte `from` of it on.
    pub(crate) fn copy(&self, from: usize) -> Bytes {
        let held = self.buffer.as_ref().map_or(&self.small[..], AsRef::as_ref);
        Bytes::copy_from_slice(&held[from..])
    }

    /// The bytes; the buffer goes back when all who have them have dropped them.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.buffer {
            Some(buffer) => Bytes::from_owner(buffer),
            None => self.small.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hythe_storage::ALIGN;

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
    fn a_full_batch_lies_as_the_storage_likes_it() {
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
    fn without_a_buffer_a_batch_is_ready_as_soon_as_it_passes_the_free_allowance() {
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
            "a buffer is taken as long as somebody has its bytes"
        );
        drop(bytes);
        assert!(!push(&mut Batch::at(0), FREE + 1, &buffers), "and goes back then");
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
