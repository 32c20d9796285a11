//! Reads an answer from its connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HeaderMap};
use http::{StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead as _, ReadBuf};
use url::{Origin, Url};

use crate::connection::{Connection, Proxied};
use crate::connector::Stream;
use crate::pool::Pool;

/// From this size in bytes on, a body is read from the connection directly into the caller's memory: a body that hyper
/// reads is copied once more.
const LONG: u64 = 1 << 20;

/// How many bytes of an unread body are read and discarded to reuse its connection, if they have already arrived.
const UNWANTED: usize = 64 << 10;

/// An answer whose body is not read yet.
pub(crate) struct Response {
    head: http::response::Parts,
    url: Url,
    body: ResponseBody,
}

impl Response {
    /// The answer to a request to `url`, on a connection that goes to `pool` afterwards.
    pub(crate) fn new(
        response: http::Response<Incoming>,
        url: Url,
        connection: Connection,
        pool: Arc<Pool>,
    ) -> Self {
        let (head, incoming) = response.into_parts();
        let length = incoming.size_hint().exact();
        let mut body = ResponseBody {
            incoming,
            connection: Some(connection),
            long: None,
            rest: Bytes::new(),
            origin: url.origin(),
            pool,
        };
        if let Some(length) = length.filter(|length| *length >= LONG) {
            body.read_past_hyper(length, is_kept(&head));
        }
        Self { head, url, body }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The body alone.
    pub(crate) fn into_body(self) -> ResponseBody {
        self.body
    }

    /// Reads the next bytes of the body into the front of `memory`; 0 after the last.
    pub(crate) async fn read(&mut self, memory: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.body.poll_read(cx, memory)).await
    }
}

/// Whether the other end keeps the connection for another request (RFC 9112, 9.3).
fn is_kept(head: &http::response::Parts) -> bool {
    let values = head.headers.get_all(CONNECTION).into_iter().filter_map(|value| value.to_str().ok());
    let mut options = values.flat_map(|value| value.split(','));
    head.version == Version::HTTP_11 && !options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// A body, and the connection that it comes on.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    /// `None` once the connection has ended, is back in the pool, or is read past hyper.
    connection: Option<Connection>,
    long: Option<Long>,
    /// Bytes that hyper has read and the caller has not.
    rest: Bytes,
    origin: Origin,
    pool: Arc<Pool>,
}

/// A body that is read past hyper.
struct Long {
    /// `None` once the whole body has arrived.
    stream: Option<Stream>,
    /// How many bytes of the body are still to arrive.
    left: u64,
    /// Whether the connection can be kept afterwards.
    is_kept: bool,
    proxied: Option<Proxied>,
}

impl ResponseBody {
    /// Takes the stream from hyper, together with the bytes that hyper has already read from it.
    fn read_past_hyper(&mut self, length: u64, is_kept: bool) {
        let Some(connection) = self.connection.take() else { return };
        let proxied = connection.proxied.clone();
        // If the connection has ended, hyper has every byte that arrived, and reports how it ended.
        let Some((stream, behind)) = connection.into_stream() else { return };
        let mut came = BytesMut::new();
        // The bytes that hyper had already put into the body; then the body reports its end.
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut self.incoming).poll_frame(&mut cx) {
            came.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        came.extend_from_slice(&behind);
        // Bytes after the body answer no request: such a connection is not kept.
        let is_clean = came.len() as u64 <= length;
        came.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        let left = length - came.len() as u64;
        self.rest = came.freeze();
        self.long = Some(Long { stream: Some(stream), left, is_kept: is_kept && is_clean, proxied });
        self.end_long();
    }

    /// Reads the next bytes into the front of `memory`, which is not empty; 0 after the last.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rest.is_empty() {
            if self.long.is_some() {
                return self.poll_long(cx, memory);
            }
            self.rest = ready!(self.poll_incoming(cx))?;
        }
        let part = self.rest.split_to(self.rest.len().min(memory.len()));
        memory[..part.len()].copy_from_slice(&part);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_long(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(Long { stream: Some(stream), left, .. }) = &mut self.long else { return Poll::Ready(Ok(0)) };
        // Never reads beyond the body: the bytes after it belong to another answer.
        let most = memory.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let mut buffer = ReadBuf::new(&mut memory[..most]);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        let length = buffer.filled().len();
        if length == 0 {
            let message = format!("it closed {left} bytes before the end of its answer");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        *left -= length as u64;
        self.end_long();
        Poll::Ready(Ok(length))
    }

    /// Keeps the stream for the next request, if the whole body has arrived.
    fn end_long(&mut self) {
        if let Some(long) = &mut self.long
            && long.left == 0
            && let Some(stream) = long.stream.take()
            && long.is_kept
            && let Some(connection) = Connection::over_idle(stream, long.proxied.take())
        {
            self.pool.keep(&self.origin, connection);
        }
    }

    /// The next bytes from hyper; empty after the last.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        loop {
            if let Some(connection) = &mut self.connection {
                connection.poll(cx);
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Ok(data)),
                    // Trailers carry nothing of a blob.
                    _ => {}
                },
                Some(Err(error)) => {
                    self.connection = None;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
                None => {
                    if let Some(mut connection) = self.connection.take()
                        && connection.is_open()
                    {
                        self.pool.keep(&self.origin, connection);
                    }
                    return Poll::Ready(Ok(Bytes::new()));
                }
            }
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut passed = 0;
        while self.connection.is_some()
            && passed < UNWANTED
            && let Poll::Ready(Ok(bytes)) = self.poll_incoming(&mut cx)
        {
            passed += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::connection::Request;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    /// Asks a server that answers with `head`, then `body`, in pieces of `step` bytes. If `stays`, it then keeps the
    /// connection open.
    async fn ask(head: String, body: Vec<u8>, step: usize, stays: bool, pool: &Arc<Pool>) -> Response {
        let (mut there, here) = tokio::io::duplex(300_000);
        tokio::spawn(async move {
            let mut request = [0; 1024];
            assert!(there.read(&mut request).await.unwrap() > 0);
            let answer = [head.as_bytes(), &body].concat();
            for piece in answer.chunks(step) {
                // An error means that the reader has stopped reading.
                let _ = there.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            if stays {
                let _ = there.read(&mut request).await;
            }
        });
        let url: Url = "http://registry.example/blob".parse().unwrap();
        let mut connection = Connection::over(Box::new(here), None).await.unwrap();
        let request = connection.form(&Request::new(Method::GET, url.clone())).unwrap();
        let answer = connection.send(request).await.unwrap();
        Response::new(answer, url, connection, Arc::clone(pool))
    }

    /// Reads the whole body in pieces of `room` bytes; returns it, and the error at its end.
    async fn read(response: &mut Response, room: usize) -> (Vec<u8>, Option<io::Error>) {
        let (mut all, mut memory) = (Vec::new(), vec![0; room]);
        loop {
            match response.read(&mut memory).await {
                Ok(0) => return (all, None),
                Ok(length) => all.extend_from_slice(&memory[..length]),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_body_is_read_whole_in_any_pieces_and_never_beyond_its_end(
            length in prop_oneof![1_usize..100_000, LONG as usize - 2..LONG as usize + 200_000],
            behind in prop_oneof![Just(0_usize), Just(0), 1_usize..100_000],
            step in 1_000_usize..400_000,
            room in 1_000_usize..700_000,
        ) {
            run(async {
                let pool = Arc::default();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let body = [content(length), vec![b'x'; behind]].concat();
                let mut response = ask(head, body, step, true, &pool).await;
                assert_eq!(response.body.long.is_some(), length as u64 >= LONG);
                let (came, error) = read(&mut response, room).await;
                assert!(error.is_none() && came == content(length));
                assert_eq!(read(&mut response, room).await.0, b"");
                // Bytes after the body must not answer the next request.
                tokio::task::yield_now().await;
                assert_eq!(pool.take(&response.url.origin()).is_some(), behind == 0);
            });
        }

        #[test]
        fn a_body_that_ends_too_early_is_an_error(
            length in prop_oneof![1_usize..100_000, LONG as usize..LONG as usize + 200_000],
            missing in 1_usize..100_000,
            step in 1_000_usize..400_000,
        ) {
            run(async {
                let pool = Arc::default();
                let came = length.saturating_sub(missing);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let mut response = ask(head, content(came), step, false, &pool).await;
                let (read, error) = read(&mut response, 100_000).await;
                assert!(read == content(came) && error.is_some());
                drop(response);
                assert!(pool.take(&"http://registry.example".parse::<Url>().unwrap().origin()).is_none());
            });
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_to_be_closed_is_not_kept() {
        for head in ["HTTP/1.1 200 OK\r\nConnection: x, Close", "HTTP/1.0 200 OK"] {
            for length in [1000, LONG as usize] {
                let pool = Arc::default();
                let head = format!("{head}\r\ncontent-length: {length}\r\n\r\n");
                let mut response = ask(head, content(length), 100_000, true, &pool).await;
                assert_eq!(read(&mut response, 100_000).await.0, content(length));
                assert!(pool.take(&response.url.origin()).is_none());
            }
        }
    }

    #[tokio::test]
    async fn the_connection_of_a_short_unread_body_is_kept() {
        for (length, is_kept) in [(0, true), (1000, true), (LONG as usize - 1, false), (LONG as usize, false)]
        {
            let pool = Arc::default();
            let head = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {length}\r\n\r\n");
            let response = ask(head, content(length), 1 << 20, true, &pool).await;
            let origin = response.url.origin();
            drop(response);
            assert_eq!(pool.take(&origin).is_some(), is_kept, "{length}");
        }
    }
}
