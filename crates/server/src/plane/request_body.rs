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
use crate::metrics::Metrics;

/// How many zeros hyper may owe it before it waits for them.
const DEBT: u64 = 1 << 20;

/// A request's body, as hyper takes it from the connection; where it can, it reads the connection by itself.
pub(crate) struct RequestBody {
    incoming: Incoming,
    link: Arc<Link>,
    /// The connection's reading end, while it reads by itself.
    intake: Option<Intake>,
    /// How many of its bytes have come, either way.
    received: u64,
    /// How many zeros hyper will still hand on for what was read here.
    zeros: u64,
    patience: Duration,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
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
        let (intake, timer) = (None, None);
        Self { incoming, link, intake, received: 0, zeros: 0, patience, timer, waiting: false, metrics }
    }

    /// How long the client says it is.
    pub(crate) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// All of it, or `None` where it is longer than `limit`.
    pub(crate) async fn collect(mut self, limit: usize) -> io::Result<Option<Bytes>> {
        if self.length().is_some_and(|length| length > limit as u64) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| self.poll_timely(cx, Self::poll_incoming)).await {
            let chunk = chunk?;
            if bytes.len() + chunk.len() > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes.into()))
    }

    /// What comes next, by way of hyper.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                Some(Ok(Ok(mut bytes))) => {
                    let zeros = self.zeros.min(bytes.len() as u64);
                    self.zeros -= zeros;
                    bytes.advance(zeros as usize);
                    // They come for bytes that the client has sent.
                    self.waiting &= zeros == 0;
                    if !bytes.is_empty() {
                        self.add_received(bytes.len());
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                // Trailers say nothing to a registry.
                Some(Ok(Err(_))) => {}
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

    /// `poll`, for as long as the client may take.
    fn poll_timely<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<Option<io::Result<T>>>,
    ) -> Poll<Option<io::Result<T>>> {
        if let Poll::Ready(next) = poll(self, cx) {
            self.waiting = false;
            return Poll::Ready(next);
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + self.patience)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(timer.as_mut().poll(cx));
        let message = format!("no byte of the body came for {} s", self.patience.as_secs());
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))))
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
