//! What a pushed body is to whoever receives it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, ReadBuf};

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

/// How much is read where there is no memory for it yet: enough to be given some.
const PIECE: usize = 16 << 10;

/// The body that a reader is, up to its end.
#[derive(Debug)]
pub struct Reading<R> {
    reader: R,
    /// Memory of its own.
    own: Vec<u8>,
}

impl<R> Reading<R> {
    /// All that `reader` has.
    pub fn new(reader: R) -> Self {
        Self { reader, own: Vec::new() }
    }
}

impl<R: AsyncRead + Unpin> Body for Reading<R> {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Option<io::Result<Piece>>> {
        let Self { reader, own } = &mut *self;
        let is_own = memory.is_empty();
        if is_own {
            own.resize(PIECE, 0);
        }
        let mut buffer = ReadBuf::new(if is_own { own } else { memory });
        if let Err(error) = ready!(Pin::new(reader).poll_read(cx, &mut buffer)) {
            return Poll::Ready(Some(Err(error)));
        }
        let length = buffer.filled().len();
        Poll::Ready((length > 0).then(|| {
            Ok(if is_own {
                own.truncate(length);
                Piece::Bytes(std::mem::take(own).into())
            } else {
                Piece::Read(length)
            })
        }))
    }
}
