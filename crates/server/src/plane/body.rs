//! The body of a response.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Frame, SizeHint};
use hythe_registry::{Reader, Ready, Stored};

use super::chunk::Chunk;
use super::link::{Exchange, Segment};

/// The most bytes that the reading path holds in memory per connection.
const PIECE: u64 = 256 << 10;

/// A response's body. It holds its exchange open until its last byte is handed over.
#[derive(Debug)]
pub(crate) struct Body {
    source: BodySource,
    exchange: Option<Arc<Exchange>>,
}

#[derive(Debug)]
enum BodySource {
    Empty,
    Bytes(Bytes),
    Stored {
        stored: Arc<dyn Stored>,
        offset: u64,
        left: u64,
        next: Option<Next<Bytes>>,
    },
    Growing {
        reader: Arc<Reader>,
        offset: u64,
        left: u64,
        next: Option<Next<Ready>>,
    },
    /// Several sources in turn, none of them empty or a series.
    Series(VecDeque<Self>),
}

/// A read of the next bytes that runs.
struct Next<T>(Pin<Box<dyn Future<Output = io::Result<T>> + Send>>);

impl<T> std::fmt::Debug for Next<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Next")
    }
}

impl Body {
    /// An empty body.
    pub(crate) const fn empty() -> Self {
        Self { source: BodySource::Empty, exchange: None }
    }

    /// A body of bytes in memory.
    pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            source: if bytes.is_empty() { BodySource::Empty } else { BodySource::Bytes(bytes) },
            exchange: None,
        }
    }

    /// `length` bytes, from `offset` on, of a stored blob, which must have them. If the blob is in a file, the
    /// connection sends the file; otherwise the body reads the blob piece by piece.
    pub(crate) fn stored(stored: &Arc<dyn Stored>, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => BodySource::Empty,
            left => BodySource::Stored { stored: Arc::clone(stored), offset, left, next: None },
        };
        Self { source, exchange: None }
    }

    /// `length` bytes, from `offset` on, of a blob that is being fetched. Sends bytes as soon as they arrive.
    pub(crate) fn growing(reader: &Arc<Reader>, offset: u64, length: u64) -> Self {
        let source = match length {
            0 => BodySource::Empty,
            left => BodySource::Growing { reader: Arc::clone(reader), offset, left, next: None },
        };
        Self { source, exchange: None }
    }

    /// Several bodies in turn.
    pub(crate) fn series(bodies: impl IntoIterator<Item = Self>) -> Self {
        let sources = bodies.into_iter().map(|body| body.source);
        let sources = sources.filter(|source| !matches!(source, BodySource::Empty)).collect::<VecDeque<_>>();
        Self {
            source: if sources.is_empty() { BodySource::Empty } else { BodySource::Series(sources) },
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
        if matches!(this.source, BodySource::Empty) {
            return Poll::Ready(None);
        }
        let chunk = ready!(this.source.poll_chunk(cx, this.exchange.as_ref()));
        if let (Some(exchange), Ok(chunk)) = (&this.exchange, &chunk) {
            exchange.hand(chunk.remaining());
        }
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.source, BodySource::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.left())
    }
}

impl BodySource {
    fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stored { left, .. } | Self::Growing { left, .. } => *left,
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
            Self::Stored { stored, offset, left, next } => {
                if let (Some(exchange), Some(file)) = (sends_files, stored.file()) {
                    let left = *left;
                    let segment = Segment { file: Arc::clone(file), offset: *offset, left };
                    exchange.link().segments().push_back(segment);
                    *self = Self::Empty;
                    Chunk::File { left, exchange: Arc::clone(exchange) }
                } else {
                    let bytes = ready!(poll_stored(cx, stored, *offset, *left, next))?;
                    let length = bytes.len() as u64;
                    if length == 0 {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    *offset += length;
                    *left -= length;
                    if *left == 0 {
                        *self = Self::Empty;
                    }
                    in_memory(bytes)
                }
            }
            Self::Growing { reader, offset, left, next } => {
                let ready = ready!(poll_growing(cx, reader, *offset, *left, sends_files.is_some(), next))?;
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

/// Polls the next bytes of a stored blob.
fn poll_stored(
    cx: &mut Context<'_>,
    stored: &Arc<dyn Stored>,
    offset: u64,
    left: u64,
    next: &mut Option<Next<Bytes>>,
) -> Poll<io::Result<Bytes>> {
    poll_next(cx, next, || {
        let (stored, length) = (Arc::clone(stored), left.min(PIECE) as usize);
        Box::pin(async move { stored.read(offset, length).await.map_err(io::Error::other) })
    })
}

/// Polls the next bytes of a growing blob; a file only if `sends_files`.
fn poll_growing(
    cx: &mut Context<'_>,
    reader: &Arc<Reader>,
    offset: u64,
    left: u64,
    sends_files: bool,
    next: &mut Option<Next<Ready>>,
) -> Poll<io::Result<Ready>> {
    poll_next(cx, next, || {
        let reader = Arc::clone(reader);
        Box::pin(async move {
            match reader.next(offset, left).await? {
                Ready::File(_, length) if !sends_files => {
                    reader.read(offset, length.min(PIECE) as usize).await.map(Ready::Bytes)
                }
                ready => Ok(ready),
            }
        })
    })
}

/// Polls the read that runs, or else the one that `begin` begins.
fn poll_next<T>(
    cx: &mut Context<'_>,
    next: &mut Option<Next<T>>,
    begin: impl FnOnce() -> Pin<Box<dyn Future<Output = io::Result<T>> + Send>>,
) -> Poll<io::Result<T>> {
    let ready = ready!(next.get_or_insert_with(|| Next(begin())).0.as_mut().poll(cx));
    *next = None;
    Poll::Ready(ready)
}
