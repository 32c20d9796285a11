//! Reading what a client sends: its body, under a progress deadline, and its parameters.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::metrics::Metrics;

/// A request's body as a stream of its bytes.
pub(crate) struct RequestBody {
    incoming: Incoming,
    patience: Duration,
    /// Made when the client first makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    metrics: Arc<Metrics>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self { incoming, patience, timer: None, waiting: false, metrics }
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
        while let Some(chunk) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_next(cx)).await {
            let chunk = chunk?;
            if bytes.len() + chunk.len() > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes.into()))
    }
}

fn broken(error: &hyper::Error) -> io::Error {
    if error.is_incomplete_message() {
        io::Error::new(io::ErrorKind::UnexpectedEof, "the connection closed before the whole body had come")
    } else {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    }
}

impl Stream for RequestBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        loop {
            if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
                this.waiting = false;
                match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
                    None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                    Some(Ok(Ok(bytes))) => {
                        this.metrics.received(bytes.len() as u64);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    // Trailers say nothing to a registry.
                    Some(Ok(Err(_))) => continue,
                }
            }
            let timer =
                this.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + this.patience)));
            if !this.waiting {
                this.waiting = true;
                timer.as_mut().reset(Instant::now() + this.patience);
            }
            ready!(timer.as_mut().poll(cx));
            let message = format!("no byte of the body came for {} s", this.patience.as_secs());
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, message))));
        }
    }
}
