//! The body of an answer.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hythe_registry::{Growing, Reader, Ready};
use tokio::task::JoinHandle;

use super::chunk::Chunk;
use super::link::{Exchange, Segment};
use super::pages;

/// What the reading path holds in memory for one connection.
const PIECE: u64 = 256 << 10;

/// A response body; it holds its exchange open until the last byte is handed over.
#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    exchange: Option<Arc<Exchange>>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Bytes(Bytes),
    File { file: Arc<File>, offset: u64, left: u64, read: Option<JoinHandle<io::Result<Bytes>>> },
    Growing { reader: Arc<Reader>, offset: u64, left: u64, next: Option<Next> },
}

/// What a growing body waits for.
struct Next(Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>);

impl std::fmt::Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

impl Body {
    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self { source: Source::Empty, exchange: None }
    }

    /// These bytes.
    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { source: if bytes.is_empty() { Source::Empty } else { Source::Bytes(bytes) }, exchange: None }
    }

    /// `length` bytes of `file` from `offset` on. The file must have them and never change.
    pub(crate) fn file(file: Arc<File>, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => Source::Empty,
            left => Source::File { file, offset, left, read: None },
        };
        Self { source, exchange: None }
    }

    /// `length` bytes of a blob that is on its way, from `offset` on: each stretch as soon as it is there.
    pub(crate) fn growing(growing: &Growing, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => Source::Empty,
            left => Source::Growing { reader: Arc::new(growing.reader()), offset, left, next: None },
        };
        Self { source, exchange: None }
    }

    /// Ties the body to the exchange that it answers.
    pub(crate) fn in_exchange(mut self, exchange: Arc<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    fn left(&self) -> u64 {
        match &self.source {
            Source::Empty => 0,
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File { left, .. } | Source::Growing { left, .. } => *left,
        }
    }

    fn chunk(&self, bytes: Bytes) -> Chunk {
        Chunk::Bytes { bytes, exchange: self.exchange.clone() }
    }
}

impl http_body::Body for Body {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, io::Error>>> {
        let this = &mut *self;
        let chunk = match &mut this.source {
            Source::Empty => return Poll::Ready(None),
            Source::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                this.source = Source::Empty;
                this.chunk(bytes)
            }
            Source::File { file, offset, left, read } => match &this.exchange {
                Some(exchange) if exchange.link().sendfile => {
                    let (exchange, left) = (Arc::clone(exchange), *left);
                    let segment = Segment { file: Arc::clone(file), offset: *offset, left };
                    exchange.link().segments().push_back(segment);
                    this.source = Source::Empty;
                    Chunk::File { left, exchange }
                }
                _ => {
                    let bytes = ready!(poll_read(cx, file, *offset, *left, read))?;
                    *offset += bytes.len() as u64;
                    *left -= bytes.len() as u64;
                    if *left == 0 {
                        this.source = Source::Empty;
                    }
                    this.chunk(bytes)
                }
            },
            Source::Growing { reader, offset, left, next } => {
                let sends_files = this.exchange.as_ref().filter(|exchange| exchange.link().sendfile);
                let ready = ready!(poll_next(cx, reader, *offset, *left, sends_files.is_some(), next))?;
                let (length, chunk) = match (ready, sends_files) {
                    (Ready::File(file, left), Some(exchange)) => {
                        let segment = Segment { file, offset: *offset, left };
                        exchange.link().segments().push_back(segment);
                        (left, Chunk::File { left, exchange: Arc::clone(exchange) })
                    }
                    (Ready::Bytes(bytes), _) => {
                        let exchange = this.exchange.clone();
                        (bytes.len() as u64, Chunk::Bytes { bytes, exchange })
                    }
                    (Ready::File(..), None) => unreachable!("a file that is not sent is read"),
                };
                if length == 0 {
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                *offset += length;
                *left -= length;
                if *left == 0 {
                    this.source = Source::Empty;
                }
                chunk
            }
        };
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// What can be sent next; a file only where `sends_files`.
fn poll_next(
    cx: &mut Context<'_>,
    reader: &Arc<Reader>,
    offset: u64,
    left: u64,
    sends_files: bool,
    next: &mut Option<Next>,
) -> Poll<io::Result<Ready>> {
    let waiting = next.get_or_insert_with(|| {
        let reader = Arc::clone(reader);
        Next(Box::pin(async move {
            match reader.next(offset, left).await? {
                Ready::File(file, length) if !sends_files => {
                    let length = length.min(PIECE) as usize;
                    let read = tokio::task::spawn_blocking(move || pages::read(&file, offset, length));
                    read.await.unwrap_or_else(|error| Err(io::Error::other(error))).map(Ready::Bytes)
                }
                ready => Ok(ready),
            }
        }))
    });
    let ready = ready!(waiting.0.as_mut().poll(cx));
    *next = None;
    Poll::Ready(ready)
}

/// The reading path: what is in memory is read here, what is not is read off the async threads.
fn poll_read(
    cx: &mut Context<'_>,
    file: &Arc<File>,
    offset: u64,
    left: u64,
    read: &mut Option<JoinHandle<io::Result<Bytes>>>,
) -> Poll<io::Result<Bytes>> {
    let length = left.min(PIECE) as usize;
    if read.is_none() {
        if let Some(bytes) = pages::read_if_resident(file, offset, length) {
            return Poll::Ready(Ok(bytes));
        }
        let file = Arc::clone(file);
        *read = Some(tokio::task::spawn_blocking(move || pages::read(&file, offset, length)));
    }
    let Some(task) = read else { return Poll::Pending };
    let result = ready!(Pin::new(task).poll(cx));
    *read = None;
    Poll::Ready(result.unwrap_or_else(|error| Err(io::Error::other(error))))
}
