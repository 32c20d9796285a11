//! The bytes of a blob, as they come.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_core::Stream;
use http_body::Body;
use tokio::time::{Instant, Sleep, sleep};

use crate::answer::Answer;
use crate::dialler::innermost;

/// The bytes of a blob, as they come. It ends with an error where the connection breaks before the end that was
/// announced, or where not a byte comes for a while; the rest can then be asked for.
pub struct BlobBody {
    body: reqwest::Body,
    /// Bytes that come first and were not asked for.
    skip: u64,
    /// Bytes still to come behind those, where it was announced.
    left: Option<u64>,
    /// Bytes of the blob behind the end of this part.
    beyond: u64,
    host: String,
    patience: Duration,
    idle: Pin<Box<Sleep>>,
    /// Whether something came since the time was last taken.
    moved: bool,
    ended: bool,
}

impl BlobBody {
    /// The body of an answer: without the bytes `skip`, up to `end`, of a blob of `size`.
    pub(crate) fn new(answer: Answer, skip: Range<u64>, end: Option<u64>, size: Option<u64>) -> Self {
        let empty = end == Some(skip.end);
        Self {
            skip: skip.end - skip.start,
            left: end.map(|end| end - skip.end),
            beyond: size.zip(end).map_or(0, |(size, end)| size.saturating_sub(end)),
            host: answer.subject.host,
            patience: answer.progress_timeout,
            idle: Box::pin(sleep(answer.progress_timeout)),
            body: answer.response.into(),
            moved: false,
            // Nothing but a 416's own text may follow; it is not the blob's.
            ended: empty,
        }
    }

    fn fail(&mut self, kind: io::ErrorKind, reason: impl fmt::Display) -> Poll<Option<io::Result<Bytes>>> {
        self.ended = true;
        Poll::Ready(Some(Err(io::Error::new(kind, format!("{}: {reason}", self.host)))))
    }

    /// What of a piece was asked for.
    fn wanted(&mut self, mut data: Bytes) -> Bytes {
        let skipped = self.skip.min(data.len() as u64);
        self.skip -= skipped;
        data.advance(skipped as usize);
        data
    }

    fn end(&mut self) -> Poll<Option<io::Result<Bytes>>> {
        let missing = self.skip + self.left.unwrap_or_default() + self.beyond;
        if missing == 0 {
            self.ended = true;
            return Poll::Ready(None);
        }
        self.fail(io::ErrorKind::UnexpectedEof, format!("the blob ended {missing} bytes too early"))
    }
}

impl Stream for BlobBody {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        while !this.ended {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.moved = true;
                    // Trailers say nothing of a blob.
                    let data = this.wanted(frame.into_data().unwrap_or_default());
                    if data.is_empty() {
                        continue;
                    }
                    if let Some(left) = this.left {
                        let Some(rest) = left.checked_sub(data.len() as u64) else {
                            return this
                                .fail(io::ErrorKind::InvalidData, "more bytes came than were announced");
                        };
                        this.left = Some(rest);
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(error))) => {
                    let reason = format!("the connection broke: {}", innermost(&error));
                    return this.fail(io::ErrorKind::ConnectionAborted, reason);
                }
                Poll::Ready(None) => return this.end(),
                Poll::Pending => {
                    if std::mem::take(&mut this.moved) {
                        this.idle.as_mut().reset(Instant::now() + this.patience);
                    }
                    if this.idle.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    let reason = format!("not a byte more came within {:?}", this.patience);
                    return this.fail(io::ErrorKind::TimedOut, reason);
                }
            }
        }
        Poll::Ready(None)
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobBody").field("left", &self.left).finish_non_exhaustive()
    }
}
