//! What a pushed body is to whoever receives it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

/// The next bytes of a body.
#[derive(Debug)]
pub enum Piece {
    /// They are here.
    Bytes(Bytes),
    /// So many of them are at the front of the memory that was offered.
    Read(usize),
}

impl Piece {
    /// How many bytes it is.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Read(length) => *length,
        }
    }
}

/// A body that comes in piece by piece. Each stream of bytes is one; what can read its bytes to where they are to be spares
/// a copy of each.
pub trait Body {
    /// The next bytes, at least one; none after the last. `memory` may be used for them, which is empty where there is none
    /// yet; what it holds beyond them is undefined.
    ///
    /// # Errors
    /// Why no more will come, though more was to come.
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Option<io::Result<Piece>>>;
}

impl<S: Stream<Item = io::Result<Bytes>>> Body for S {
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _memory: &mut [u8],
    ) -> Poll<Option<io::Result<Piece>>> {
        self.poll_next(cx).map(|next| next.map(|bytes| bytes.map(Piece::Bytes)))
    }
}
