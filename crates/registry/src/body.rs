//! The interface of a pushed body to the code that receives it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// How many bytes are read if the receiver offers no memory yet: enough to make it offer some.
const OWN: usize = 16 << 10;

/// The next bytes of a body.
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// This many bytes, at the front of the memory that the receiver offered.
    Read(usize),
}

impl Piece {
    /// Reads by `poll` to the front of `memory`. If `memory` is empty, reads into memory of its own, but only as many
    /// bytes as make the receiver offer some. `None` if `poll` reads nothing.
    ///
    /// # Errors
    /// The errors of `poll`.
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

    /// How many bytes the piece has.
    pub fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Read(length) => *length,
        }
    }
}

/// A body that comes in piece by piece. Each stream of bytes is a body. A body that reads its bytes into the offered
/// memory saves a copy of each byte.
pub trait Body {
    /// The next bytes, at least one; `None` after the last. The body may read them into `memory`, which is empty if the
    /// receiver has none to offer yet. Behind the read bytes, the content of `memory` is undefined afterwards.
    ///
    /// # Errors
    /// Why no more bytes come, although the body has not ended.
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

/// A reader as a body, up to the reader's end.
#[derive(Debug)]
pub struct Reading<R>(R);

impl<R> Reading<R> {
    /// A body of all bytes of `reader`.
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
