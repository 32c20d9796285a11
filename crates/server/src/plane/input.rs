//! The input of a connection: the bytes that hyper reads.

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

/// The most bytes of one read while the link asks for small reads.
const LITTLE: usize = 16 << 10;

/// The input of a connection. hyper reads all of it, except bodies that read the socket directly.
#[derive(Debug)]
pub(super) struct Input {
    reader: Reader,
    link: Arc<Link>,
    framing: Framing,
    /// Bytes for hyper that a body read from the socket.
    rest: Bytes,
}

/// The reading end of the socket.
#[derive(Debug)]
enum Reader {
    /// hyper reads.
    Hyper(OwnedReadHalf),
    /// A request's body has the reading end and reads directly.
    Away,
    /// A body was abandoned at a place where hyper cannot go on. The remaining bytes are read and dropped when the
    /// connection ends.
    Cut(OwnedReadHalf),
}

impl Input {
    /// The input from the first byte of a connection on.
    pub(super) fn new(reader: OwnedReadHalf, link: Arc<Link>) -> Self {
        Self { reader: Reader::Hyper(reader), link, framing: Framing::start(), rest: Bytes::new() }
    }

    /// The reading end, for bytes after the last response; `None` while an unfinished body has it.
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

    /// Takes the reading end back from a body.
    fn take_back(&mut self, intake: Intake) {
        self.framing.passed(intake.content);
        let is_boundary = intake.is_at_boundary();
        self.rest = intake.rest;
        self.reader = if is_boundary { Reader::Hyper(intake.reader) } else { Reader::Cut(intake.reader) };
    }

    /// Reads bytes for hyper; pending while a request's body reads directly. `begun` is the number of requests so far.
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

    /// Reads the next bytes for hyper: zeros for a body's bytes, bytes that a body read too much, or from the socket.
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
        // If a body wants to read directly, does not read beyond the boundary where it can begin to.
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

/// Reads at most `most` bytes.
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
