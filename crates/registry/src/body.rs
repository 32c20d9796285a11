//! What a pushed body is to whoever receives it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// How much is read where there is no memory for it yet: enough to be given some.
const OWN: usize = 16 << 10;

/// The next bytes of a body.
#[derive(Debug)]
pub enum Piece {
    /// They are here.
    Bytes(Bytes),
    /// So many of them are at the front of the memory that was offered.
    Read(usize),
}

impl Piece {
    /// What `poll` reads to the front of `memory`, or to memory of its own where there is none yet: no more then than
    /// it takes to be given some. None where it reads nothing.
    ///
    /// # Errors
    /// Those of `poll`.
    pub fn poll_read(
        memory: &mut [u8],
        poll: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<Option<Self>>> {
        if !memory.is_empty() {
            return poll(memory).map_ok(|length| (length > 0).then_some(Self::Read(length)));
        }
        let mut own = vec![0; OWN];
        let length = ready!(poll(&mut own))?;
        own.truncate(length);
        Poll::Ready(Ok((length > 0).then(|| Self::Bytes(own.into()))))
    }

    /// How many bytes it is.
    pub fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Read(length) => *length,
        }
    }
}

/// A body that comes in piece by piece. Each stream of bytes is one; what can read its bytes to where they are to be
/// spares a copy of each.
pub trait Body {
    /// The next bytes, at least one; none after the last. `memory` may be used for them, which is empty where there is
    /// none yet; what it holds beyond them is undefined.
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

/// The body that a reader is, up to its end.
#[derive(Debug)]
pub struct Reading<R>(R);

impl<R> Reading<R> {
    /// All that `reader` has.
    pub fn new(reader: R) -> Self {
        Self(reader)
    }
}

impl<R: AsyncRead + Unpin> Body for Reading<R> {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Option<io::Result<Piece>>> {
        let piece = Piece::poll_read(memory, |memory| {
            let mut buffer = ReadBuf::new(memory);
            ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        });
        piece.map(Result::transpose)
    }
}
