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

/// The most zeros that hyper may still have to hand on before the body stops reading, in bytes.
const DEBT: u64 = 1 << 20;

/// The slowest accepted body, in bytes per second of waiting for the client: a tenth of a modem's speed.
const FLOOR: u64 = 512;

/// The time over which `FLOOR` is measured, in multiples of the patience. Within one patience a single byte is enough.
const PATIENCES: u32 = 3;

/// Why a whole body could not be received.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// The body is longer than the limit.
    TooLong,
    /// No memory became free for the body.
    Crowded,
    /// Reading the body failed.
    Body(io::Error),
}

/// A request's body. hyper reads it from the connection; where possible, it reads the socket directly.
pub(crate) struct RequestBody {
    incoming: Incoming,
    link: Arc<Link>,
    /// The connection's reading end, while the body reads directly.
    intake: Option<Intake>,
    /// The number of bytes that have arrived, through hyper or directly.
    received: u64,
    /// Whether trailers followed the last chunk.
    has_trailers: bool,
    /// The number of zeros that hyper will still hand on, for bytes that were read directly.
    zeros: u64,
    patience: Duration,
    /// Created when the server first waits for the client.
    timer: Option<Pin<Box<Sleep>>>,
    /// The start of the present wait for the client, if any.
    waiting: Option<Instant>,
    /// The time spent waiting since `enough` was last set.
    waited: Duration,
    /// The value of `received` when the client had last sent enough bytes.
    enough: u64,
}

impl RequestBody {
    /// The body of the request that has begun on the connection.
    pub(crate) fn new(incoming: Incoming, link: Arc<Link>, patience: Duration) -> Self {
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
        }
    }

    /// The body's length, if the client gives it.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// Receives the whole body, with its part of the memory for manifests.
    pub(crate) async fn collect(
        mut self,
        limit: usize,
        room: &ManifestRoom,
    ) -> Result<(Bytes, Part<'_>), CollectError> {
        let length = self.length();
        if length.is_some_and(|length| length > limit as u64) {
            return Err(CollectError::TooLong);
        }
        // Reserves memory for at most the announced length, and only a little ahead of the bytes that have arrived.
        let expected = length.map_or(limit, |length| length as usize);
        let (mut part, mut bytes) = (room.part(), Vec::new());
        // Bytes that hyper has read and not handed on are outside of the bound, so hyper reads little at once.
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
                // A large body of a known length gets all of its memory at once. If two bodies each held a part, they
                // could wait for each other.
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

    /// Polls the next bytes from hyper.
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
                        // The zeros stand for bytes that the client has sent, so the wait for the client is over.
                        self.waiting = None;
                    }
                    if !bytes.is_empty() {
                        self.add_received(bytes.len());
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                // The registry ignores trailers. But empty trailers mean that a bare LF followed the last chunk: hyper
                // takes that for a line's end and goes on to read trailers, where a proxy may see the end of the body
                // and then the next request.
                Some(Ok(Err(frame))) => {
                    self.has_trailers = true;
                    if frame.trailers_ref().is_some_and(http::HeaderMap::is_empty) {
                        let message = "the request's body does not end with CRLF after its last chunk";
                        return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, message))));
                    }
                }
            }
        }
    }

    /// Polls the next piece; reads the socket directly where possible.
    fn poll_next(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<Option<io::Result<Piece>>> {
        // hyper is polled first: it also hands on the zeros for bytes that were read directly, and the connection's
        // end.
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

    /// Polls the next piece directly from the socket; `None` if hyper has to go on.
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
            self.link.counters().add_past_hyper(piece.length());
            self.add_received(piece.length());
        }
        Poll::Ready(Ok(piece))
    }

    /// Calls `poll`, and fails if the client is too slow. Only time that the server waits for the client counts, not
    /// time that the client waits for the server.
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
            format!("no byte of the body arrived for {} s", patience.as_secs_f64())
        } else {
            let (came, seconds) = (self.received - self.enough, longest.as_secs_f64());
            format!(
                "the body arrived too slowly: {came} bytes in {seconds} s; the minimum is {FLOOR} bytes per second"
            )
        };
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))))
    }

    /// The least bytes in `PATIENCES` times the patience.
    fn floor(&self) -> u64 {
        self.patience.saturating_mul(PATIENCES).as_secs().saturating_mul(FLOOR)
    }

    fn add_received(&mut self, length: usize) {
        self.received += length as u64;
        self.link.counters().add_received(length);
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
