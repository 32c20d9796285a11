//! The body of a request that uploads: sent while it is read, and watched for progress.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

/// How many bytes are read from the source at once, and so how many the body keeps in memory.
const STEP: usize = 64 << 10;

/// A body whose bytes come from a source as fast as the connection takes them.
pub(crate) struct Outgoing {
    source: Pin<Box<dyn AsyncRead + Send>>,
    /// Bytes still to send; `None` for a body that ends where its source ends.
    left: Option<u64>,
    buffer: BytesMut,
    watch: Arc<Watch>,
}

/// What is known about a body that is being sent.
#[derive(Default)]
pub(crate) struct Watch {
    sent: AtomicU64,
    /// Whether the connection waits for the source.
    is_starved: AtomicBool,
    /// Why the source could not be read.
    failed: Mutex<Option<io::Error>>,
    /// Whether the answer to the request has come, so that the registry wants no more of the body.
    has_ended: AtomicBool,
    /// The connection's task, while it waits for the source.
    waiting: Mutex<Option<Waker>>,
}

impl Watch {
    /// How many bytes the connection took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Why the source could not be read, if that ended the request.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        self.failed.lock().take()
    }

    /// Ends a body that is still being sent, and so its connection: otherwise hyper would send all of it.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        if let Some(waiting) = self.waiting.lock().take() {
            waiting.wake();
        }
    }

    /// Waits for the answer to the request. Gives up, with `None`, once the connection takes no byte for `patience`;
    /// the time that the source takes does not count.
    pub(crate) async fn attend<T>(&self, answer: impl Future<Output = T>, patience: Duration) -> Option<T> {
        let mut answer = Box::pin(answer);
        loop {
            let before = self.sent();
            if let Ok(answer) = timeout(patience, &mut answer).await {
                return Some(answer);
            }
            if self.sent() == before && !self.is_starved.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
}

impl Outgoing {
    /// A body of `length` bytes, or of all that the source has.
    pub(crate) fn new(source: impl AsyncRead + Send + 'static, length: Option<u64>) -> Self {
        let source = Box::pin(source);
        Self { source, left: length, buffer: BytesMut::new(), watch: Arc::default() }
    }

    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    /// Whether the length was known in advance: it then stands in `Content-Length`.
    pub(crate) fn length(&self) -> Option<u64> {
        self.left
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let most = self.left.map_or(STEP, |left| usize::try_from(left).unwrap_or(STEP).min(STEP));
        if most == 0 {
            return Poll::Ready(Ok(Bytes::new()));
        }
        self.buffer.resize(most, 0);
        let mut space = ReadBuf::new(&mut self.buffer);
        let read = self.source.as_mut().poll_read(cx, &mut space);
        self.watch.is_starved.store(read.is_pending(), Ordering::Relaxed);
        ready!(read)?;
        let length = space.filled().len();
        if let Some(left) = &mut self.left {
            if length == 0 {
                let message = format!("the content to push ended {left} bytes early");
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
            }
            *left -= length as u64;
        }
        Poll::Ready(Ok(self.buffer.split_to(length).freeze()))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let polled = this.poll_source(cx);
        if polled.is_pending() {
            *this.watch.waiting.lock() = Some(cx.waker().clone());
        }
        if this.watch.has_ended.load(Ordering::Acquire) {
            let reason = "the answer came before the end of the body";
            return Poll::Ready(Some(Err(io::Error::other(reason))));
        }
        match ready!(polled) {
            Ok(bytes) if bytes.is_empty() => Poll::Ready(None),
            Ok(bytes) => {
                this.watch.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                *this.watch.failed.lock() = Some(error);
                Poll::Ready(Some(Err(told)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
