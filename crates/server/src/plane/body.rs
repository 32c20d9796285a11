//! The body of a response.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hythe_registry::{Reader, Ready};
use tokio::task::JoinHandle;

use super::chunk::Chunk;
use super::link::{Exchange, Segment};
use super::pages;

/// The most bytes that the reading path holds in memory per connection.
const PIECE: u64 = 256 << 10;

/// A response's body. It holds its exchange open until its last byte is handed over.
#[derive(Debug)]
pub(crate) struct Body {
    source: Source,
    exchange: Option<Arc<Exchange>>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Bytes(Bytes),
    File {
        file: Arc<File>,
        offset: u64,
        left: u64,
        read: Option<JoinHandle<io::Result<Bytes>>>,
    },
    Growing {
        reader: Arc<Reader>,
        offset: u64,
        left: u64,
        next: Option<Next>,
    },
    /// Several sources in turn, none of them empty or a series.
    Series(VecDeque<Self>),
}

/// The next bytes of a growing body.
struct Next(Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>);

impl std::fmt::Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

impl Body {
    /// An empty body.
    pub(crate) const fn empty() -> Self {
        Self { source: Source::Empty, exchange: None }
    }

    /// A body of bytes in memory.
    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { source: if bytes.is_empty() { Source::Empty } else { Source::Bytes(bytes) }, exchange: None }
    }

    /// `length` bytes of `file` from `offset` on. The file must have these bytes and never change.
    pub(crate) fn file(file: Arc<File>, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => Source::Empty,
            left => Source::File { file, offset, left, read: None },
        };
        Self { source, exchange: None }
    }

    /// `length` bytes, from `offset` on, of a blob that is being fetched. Sends bytes as soon as they arrive.
    pub(crate) fn growing(reader: &Arc<Reader>, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => Source::Empty,
            left => Source::Growing { reader: Arc::clone(reader), offset, left, next: None },
        };
        Self { source, exchange: None }
    }

    /// Several bodies in turn.
    pub(crate) fn series(bodies: impl IntoIterator<Item = Self>) -> Self {
        let sources = bodies.into_iter().map(|body| body.source);
        let sources = sources.filter(|source| !matches!(source, Source::Empty)).collect::<VecDeque<_>>();
        Self {
            source: if sources.is_empty() { Source::Empty } else { Source::Series(sources) },
            exchange: None,
        }
    }

    /// Ties the body to its exchange.
    pub(crate) fn in_exchange(mut self, exchange: Arc<Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
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
        if matches!(this.source, Source::Empty) {
            return Poll::Ready(None);
        }
        let chunk = ready!(this.source.poll_chunk(cx, this.exchange.as_ref()));
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.left())
    }
}

impl Source {
    fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { left, .. } | Self::Growing { left, .. } => *left,
            Self::Series(sources) => sources.iter().map(Self::left).sum(),
        }
    }

    /// Polls the next chunk; an empty source gives an empty chunk. After its last chunk the source is empty.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        exchange: Option<&Arc<Exchange>>,
    ) -> Poll<io::Result<Chunk>> {
        let in_memory = |bytes| Chunk::Bytes { bytes, exchange: exchange.cloned() };
        let sends_files = exchange.filter(|exchange| exchange.link().sendfile);
        let chunk = match self {
            Self::Empty => in_memory(Bytes::new()),
            Self::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                in_memory(bytes)
            }
            Self::File { file, offset, left, read } => {
                if let Some(exchange) = sends_files {
                    let left = *left;
                    let segment = Segment { file: Arc::clone(file), offset: *offset, left };
                    exchange.link().segments().push_back(segment);
                    *self = Self::Empty;
                    Chunk::File { left, exchange: Arc::clone(exchange) }
                } else {
                    let bytes = ready!(poll_read(cx, file, *offset, *left, read))?;
                    *offset += bytes.len() as u64;
                    *left -= bytes.len() as u64;
                    if *left == 0 {
                        *self = Self::Empty;
                    }
                    in_memory(bytes)
                }
            }
            Self::Growing { reader, offset, left, next } => {
                let ready = ready!(poll_next(cx, reader, *offset, *left, sends_files.is_some(), next))?;
                let (length, chunk) = match (ready, sends_files) {
                    (Ready::File(file, left), Some(exchange)) => {
                        let segment = Segment { file, offset: *offset, left };
                        exchange.link().segments().push_back(segment);
                        (left, Chunk::File { left, exchange: Arc::clone(exchange) })
                    }
                    (Ready::Bytes(bytes), _) => (bytes.len() as u64, in_memory(bytes)),
                    (Ready::File(..), None) => unreachable!("a file that is not sent is read"),
                };
                if length == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                *offset += length;
                *left -= length;
                if *left == 0 {
                    *self = Self::Empty;
                }
                chunk
            }
            Self::Series(sources) => {
                let Some(source) = sources.front_mut() else {
                    *self = Self::Empty;
                    return Poll::Ready(Ok(in_memory(Bytes::new())));
                };
                let chunk = ready!(source.poll_chunk(cx, exchange))?;
                if matches!(source, Self::Empty) {
                    sources.pop_front();
                }
                if sources.is_empty() {
                    *self = Self::Empty;
                }
                chunk
            }
        };
        Poll::Ready(Ok(chunk))
    }
}

/// Polls the next bytes of a growing blob; a file only if `sends_files`.
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

/// The reading path: reads bytes that are in the page cache at once, and other bytes on a blocking thread.
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
