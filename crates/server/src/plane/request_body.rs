//! The body of a request, under a progress deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body as _;
use hyper::body::Incoming;
use hythe_registry::Piece;
use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::Length;
use super::intake::{Intake, closed};
use super::link::Link;
use crate::manifest_room::{ManifestRoom, NoRoom, Part, SMALL};
use crate::metrics::Metrics;

/// How many zeros hyper may owe it before it waits for them.
const DEBT: u64 = 1 << 20;

/// The least that a body brings, in bytes a second of waiting for it: a tenth of what a modem did.
const FLOOR: u64 = 512;

/// Over so many times its patience that is looked at: within one of them a byte is enough.
const PATIENCES: u32 = 3;

/// Why a body could not be collected.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// It is longer than it may be.
    TooLong,
    /// There is no memory for it now.
    Crowded,
    /// It broke off.
    Body(io::Error),
}

/// A request's body, as hyper takes it from the connection; where it can, it reads the connection by itself.
pub(crate) struct RequestBody {
    incoming: Incoming,
    link: Arc<Link>,
    /// The connection's reading end, while it reads by itself.
    intake: Option<Intake>,
    /// How many of its bytes have come, either way.
    received: u64,
    /// Whether trailers came behind its last chunk.
    has_trailers: bool,
    /// How many zeros hyper will still hand on for what was read here.
    zeros: u64,
    patience: Duration,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when we wait for the client, where we do.
    waiting: Option<Instant>,
    /// How long we have waited since it last had sent enough.
    waited: Duration,
    /// How many bytes had come then.
    enough: u64,
    metrics: Arc<Metrics>,
}

impl RequestBody {
    /// The body of the request that has begun on the connection.
    pub(crate) fn new(
        incoming: Incoming,
        link: Arc<Link>,
        patience: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        link.request_begins(incoming.size_hint().exact().map_or(Length::Chunked, Length::Sized));
        Self {
            incoming,
            link,
            intake: None,
            received: 0,
            has_trailers: false,
            zeros: 0,
            patience,
            timer: None,
            waiting: None,
            waited: Duration::ZERO,
            enough: 0,
            metrics,
        }
    }

    /// How long the client says it is.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// All of it, with its part of the memory for manifests.
    pub(crate) async fn collect(
        mut self,
        limit: usize,
        room: &ManifestRoom,
    ) -> Result<(Bytes, Part<'_>), CollectError> {
        let length = self.length();
        if length.is_some_and(|length| length > limit as u64) {
            return Err(CollectError::TooLong);
        }
        // What a client says is not to come is not made room for, and no more than a little before it comes.
        let expected = length.map_or(limit, |length| length as usize);
        let (mut part, mut bytes) = (room.part(), Vec::new());
        // What hyper has read and not handed on is not counted.
        self.link.read_little();
        loop {
            let chunk = tokio::select! {
                chunk = std::future::poll_fn(|cx| self.poll_timely(cx, Self::poll_incoming)) => chunk,
                () = part.cut() => return Err(CollectError::Body(NoRoom::cut())),
            };
            let Some(chunk) = chunk else { return Ok((bytes.into(), part)) };
            let chunk = chunk.map_err(CollectError::Body)?;
            let needed = bytes.len() + chunk.len();
            if needed > limit {
                return Err(CollectError::TooLong);
            }
            if needed > bytes.capacity() {
                // One of a known length is given all of its room at once, so that none waits for another in the middle.
                let most = if length.is_some() && needed > SMALL { expected } else { 2 * bytes.capacity() };
                let capacity = most.min(expected).max(needed);
                part.grow(capacity).await.map_err(|no_room| match no_room {
                    NoRoom::Crowded => CollectError::Crowded,
                    NoRoom::Cut => CollectError::Body(NoRoom::cut()),
                })?;
                bytes.reserve_exact(capacity - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    /// What comes next, by way of hyper.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => {
                    self.link.body_is_read(self.has_trailers);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                Some(Ok(Ok(mut bytes))) => {
                    let zeros = self.zeros.min(bytes.len() as u64);
                    self.zeros -= zeros;
                    bytes.advance(zeros as usize);
                    if zeros > 0 {
                        // They come for bytes that the client has sent.
                        self.waiting = None;
                    }
                    if !bytes.is_empty() {
                        self.add_received(bytes.len());
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                // Trailers say nothing to a registry. Those that name nothing are a bare LF, and what was to be the next
                // request: hyper takes it for the end of a line, where another takes it for the end of all.
                Some(Ok(Err(frame))) => {
                    self.has_trailers = true;
                    if frame.trailers_ref().is_some_and(http::HeaderMap::is_empty) {
                        let message = "the last chunk is not followed by CRLF, which ends the body";
                        return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, message))));
                    }
                }
            }
        }
    }

    /// What comes next; by itself where it can.
    fn poll_next(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<Option<io::Result<Piece>>> {
        // By way of hyper come also the zeros for what was read by itself, and the end of the connection.
        if let Poll::Ready(next) = self.poll_incoming(cx) {
            return Poll::Ready(next.map(|bytes| bytes.map(Piece::Bytes)));
        }
        if self.intake.is_none() {
            self.intake = Some(ready!(self.link.poll_intake(cx, self.received)));
        }
        if self.zeros > DEBT {
            return Poll::Pending;
        }
        let piece = ready!(self.poll_by_itself(cx, memory)).transpose();
        if piece.is_some() {
            return Poll::Ready(piece);
        }
        self.give_back();
        self.poll_incoming(cx).map(|next| next.map(|bytes| bytes.map(Piece::Bytes)))
    }

    /// What comes next where it reads by itself; none where hyper has to go on.
    fn poll_by_itself(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<Option<Piece>>> {
        let Some(intake) = &mut self.intake else { return Poll::Ready(Ok(None)) };
        if memory.is_empty() {
            ready!(intake.poll_ready(cx))?;
        }
        let piece = ready!(Piece::poll_read(memory, |memory| intake.poll_read(cx, memory)))?;
        if let Some(piece) = &piece {
            if intake.is_counted {
                self.zeros += piece.length() as u64;
                self.link.owe(piece.length());
            }
            self.add_received(piece.length());
        }
        Poll::Ready(Ok(piece))
    }

    /// `poll`, for as long as the client may take. Only the time is counted in which we wait for it: what it had to wait for
    /// us is not its fault.
    fn poll_timely<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<Option<io::Result<T>>>,
    ) -> Poll<Option<io::Result<T>>> {
        if let Poll::Ready(next) = poll(self, cx) {
            if let Some(since) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            if self.received - self.enough >= self.floor() {
                (self.waited, self.enough) = (Duration::ZERO, self.received);
            }
            return Poll::Ready(next);
        }
        let (patience, longest) = (self.patience, self.patience.saturating_mul(PATIENCES));
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        let left = longest.saturating_sub(self.waited);
        if self.waiting.is_none() {
            let now = Instant::now();
            self.waiting = Some(now);
            timer.as_mut().reset(now + patience.min(left));
        }
        ready!(timer.as_mut().poll(cx));
        let message = if left > patience {
            format!("no byte of the body came for {} s", patience.as_secs_f64())
        } else {
            let (came, seconds) = (self.received - self.enough, longest.as_secs_f64());
            format!(
                "the body came too slowly: {came} bytes in {seconds} s, where {FLOOR} a second are the least"
            )
        };
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))))
    }

    /// So many bytes are enough for as long as a client may take.
    fn floor(&self) -> u64 {
        self.patience.saturating_mul(PATIENCES).as_secs().saturating_mul(FLOOR)
    }

    fn add_received(&mut self, length: usize) {
        self.received += length as u64;
        self.metrics.received(length as u64);
    }

    fn give_back(&mut self) {
        if let Some(intake) = self.intake.take() {
            self.link.give_back(intake);
        }
    }
}

fn broken(error: &hyper::Error) -> io::Error {
    if error.is_incomplete_message() {
        closed()
    } else {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    }
}

impl hythe_registry::Body for RequestBody {
    fn poll_piece(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<Option<io::Result<Piece>>> {
        self.poll_timely(cx, |this, cx| this.poll_next(cx, memory))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.give_back();
        self.link.body_ended();
    }
}
