//! What hyper is given of what comes in on a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use super::framing::Framing;
use super::intake::Intake;
use super::link::{Back, Link};

/// What is read at once where little is to be read.
const LITTLE: usize = 16 << 10;

/// What comes in: all of it is hyper's, but for bodies that read by themselves.
#[derive(Debug)]
pub(super) struct Input {
    reader: Reader,
    link: Arc<Link>,
    framing: Framing,
    /// What was read for hyper elsewhere.
    rest: Bytes,
}

/// The reading end of the socket.
#[derive(Debug)]
enum Reader {
    /// For hyper.
    Hyper(OwnedReadHalf),
    /// Away, while a request's body reads by itself.
    Away,
    /// A body was given up where hyper cannot go on: what still comes is dropped at the end.
    Cut(OwnedReadHalf),
}

impl Input {
    /// From the first byte of a connection on.
    pub(super) fn new(reader: OwnedReadHalf, link: Arc<Link>) -> Self {
        Self { reader: Reader::Hyper(reader), link, framing: Framing::start(), rest: Bytes::new() }
    }

    /// The reading end, for what comes after the last answer; none where a body has it that has not ended.
    pub(super) fn reader(&mut self, cx: &Context<'_>) -> Option<&mut OwnedReadHalf> {
        while matches!(self.reader, Reader::Away) {
            match self.link.poll_back(cx, usize::MAX) {
                Poll::Ready(Back::Zeros(_)) => {}
                Poll::Ready(Back::Reader(intake)) => self.take_back(intake),
                Poll::Pending => break,
            }
        }
        match &mut self.reader {
            Reader::Hyper(reader) | Reader::Cut(reader) => Some(reader),
            Reader::Away => None,
        }
    }

    /// Takes the reader back.
    fn take_back(&mut self, intake: Intake) {
        self.framing.passed(intake.content);
        let is_boundary = intake.is_at_boundary();
        self.rest = intake.rest;
        self.reader = if is_boundary { Reader::Hyper(intake.reader) } else { Reader::Cut(intake.reader) };
    }

    /// Reads what is for hyper; pending while a request's body reads by itself. So many requests have begun by now.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        begun: u64,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.poll_bytes(cx, buffer, begun))?;
        if !self.link.is_busy()
            && self.framing.heads() == begun
            && let Some(length) = self.link.body_length()
        {
            self.framing.request_ended(length);
        }
        self.framing.follow(&buffer.filled()[before..]);
        if self.framing.is_whole() {
            self.link.chunks_are_whole(self.framing.heads());
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what hyper is given next, from where that is.
    fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        begun: u64,
    ) -> Poll<io::Result<()>> {
        if matches!(self.reader, Reader::Away) {
            match ready!(self.link.poll_back(cx, buffer.remaining())) {
                Back::Zeros(length) => {
                    buffer.initialize_unfilled_to(length);
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Back::Reader(intake) => self.take_back(intake),
            }
        }
        if !self.rest.is_empty() {
            let part = self.rest.split_to(self.rest.len().min(buffer.remaining()));
            buffer.put_slice(&part);
            return Poll::Ready(Ok(()));
        }
        let Reader::Hyper(reader) = &mut self.reader else { return Poll::Pending };
        // Not beyond where a body can read by itself that would.
        let wanted = self.link.wanted_intake().filter(|_| self.framing.heads() == begun);
        match wanted.and_then(|length| self.framing.boundary(length)) {
            None if self.link.reads_little() => poll_part(reader, cx, buffer, LITTLE),
            None => Pin::new(reader).poll_read(cx, buffer),
            Some(boundary) if boundary.left > 0 => poll_part(reader, cx, buffer, boundary.left as usize),
            Some(boundary) => {
                if let Reader::Hyper(reader) = std::mem::replace(&mut self.reader, Reader::Away) {
                    self.link.hand_over(Intake::new(reader, &boundary));
                }
                self.poll_bytes(cx, buffer, begun)
            }
        }
    }
}

/// Reads no more than `most` bytes.
fn poll_part(
    reader: &mut OwnedReadHalf,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
    most: usize,
) -> Poll<io::Result<()>> {
    let length = buffer.remaining().min(most);
    let mut part = ReadBuf::new(buffer.initialize_unfilled_to(length));
    ready!(Pin::new(reader).poll_read(cx, &mut part))?;
    let length = part.filled().len();
    buffer.advance(length);
    Poll::Ready(Ok(()))
}
