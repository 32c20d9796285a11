//! The bytes of a blob as they arrive.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::answer::Answer;
use crate::cause::innermost;
use crate::response::ResponseBody;

/// The bytes of a blob as they arrive. The body ends with an error if the connection breaks before the announced end,
/// or if no byte arrives for a while; the caller can then request the rest.
pub struct BlobBody {
    body: ResponseBody,
    /// Bytes at the start that the caller did not ask for.
    skip: u64,
    /// Bytes still to arrive after those, if the registry announced a length.
    left: Option<u64>,
    /// Bytes of the blob after the end of this part.
    beyond: u64,
    host: String,
    patience: Duration,
    idle: Pin<Box<Sleep>>,
    /// Whether bytes arrived since `idle` was last reset.
    moved: bool,
    ended: bool,
}

impl BlobBody {
    /// The body of an answer, without the bytes `skip`, up to byte `end`, of a blob of `size` bytes.
    pub(crate) fn new(answer: Answer, skip: Range<u64>, end: Option<u64>, size: Option<u64>) -> Self {
        let empty = end == Some(skip.end);
        Self {
            skip: skip.end - skip.start,
            left: end.map(|end| end - skip.end),
            beyond: size.zip(end).map_or(0, |(size, end)| size.saturating_sub(end)),
            host: answer.subject.host,
            patience: answer.progress_timeout,
            idle: Box::pin(sleep(answer.progress_timeout)),
            body: answer.response.into_body(),
            moved: false,
            // The body of a 416 is an error text and no part of the blob.
            ended: empty,
        }
    }

    fn fail<T>(&mut self, kind: io::ErrorKind, reason: impl fmt::Display) -> Poll<io::Result<T>> {
        self.ended = true;
        Poll::Ready(Err(io::Error::new(kind, format!("{}: {reason}", self.host))))
    }

    /// Accounts for `length` bytes that arrived in `memory`. Moves those that were asked for to its front, and returns
    /// how many they are.
    fn take(&mut self, memory: &mut [u8], length: usize) -> Poll<io::Result<usize>> {
        self.moved = true;
        // At most `length`, which is a `usize`.
        let skipped = self.skip.min(length as u64) as usize;
        self.skip -= skipped as u64;
        if skipped > 0 {
            memory.copy_within(skipped..length, 0);
        }
        let length = length - skipped;
        if let Some(left) = self.left {
            let Some(rest) = left.checked_sub(length as u64) else {
                return self.fail(io::ErrorKind::InvalidData, "more bytes arrived than were announced");
            };
            self.left = Some(rest);
        }
        Poll::Ready(Ok(length))
    }

    fn end(&mut self) -> Poll<io::Result<usize>> {
        let missing = self.skip + self.left.unwrap_or_default() + self.beyond;
        if missing == 0 {
            self.ended = true;
            return Poll::Ready(Ok(0));
        }
        self.fail(io::ErrorKind::UnexpectedEof, format!("the blob ended {missing} bytes too early"))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        while !self.ended {
            match self.body.poll_read(cx, memory) {
                Poll::Ready(Ok(0)) => return self.end(),
                Poll::Ready(Ok(length)) => {
                    let taken = ready!(self.take(memory, length))?;
                    if taken > 0 {
                        return Poll::Ready(Ok(taken));
                    }
                }
                Poll::Ready(Err(error)) => {
                    let reason = format!("the connection broke: {}", innermost(&error));
                    return self.fail(io::ErrorKind::ConnectionAborted, reason);
                }
                Poll::Pending => {
                    if std::mem::take(&mut self.moved) {
                        self.idle.as_mut().reset(Instant::now() + self.patience);
                    }
                    if self.idle.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let reason = format!("no data arrived within {:?}", self.patience);
                    return self.fail(io::ErrorKind::TimedOut, reason);
                }
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncRead for BlobBody {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let length = ready!(self.get_mut().poll_bytes(cx, buffer.initialize_unfilled()))?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBody").field("left", &self.left).finish_non_exhaustive()
    }
}
