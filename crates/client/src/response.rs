//! Reads an answer from its connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;
use url::Url;

use crate::outgoing::Watch;

/// An answer whose body is not read yet.
pub(crate) struct Response {
    head: http::response::Parts,
    url: Url,
    body: ResponseBody,
}

impl Response {
    /// The answer to a request to `url`.
    pub(crate) fn new(response: http::Response<Incoming>, url: Url) -> Self {
        let (head, incoming) = response.into_parts();
        Self { head, url, body: ResponseBody { incoming, rest: Bytes::new(), upload: None } }
    }

    /// The answer to a request whose body may still be on its way.
    pub(crate) fn to_upload(response: http::Response<Incoming>, url: Url, upload: Arc<Watch>) -> Self {
        let mut answer = Self::new(response, url);
        answer.body.upload = Some(upload);
        answer
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

/// The body of an answer. When it is dropped before its end, its connection is closed.
pub(crate) struct ResponseBody {
    incoming: Incoming,
    /// Bytes that hyper has read and the caller has not.
    rest: Bytes,
    /// The body of the request, which ends with this answer.
    upload: Option<Arc<Watch>>,
}

impl ResponseBody {
    /// Reads the next bytes into the front of `memory`, which is not empty; 0 after the last.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                // Trailers carry nothing of a blob.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(0)),
            }
        }
        let part = self.rest.split_to(self.rest.len().min(memory.len()));
        memory[..part.len()].copy_from_slice(&part);
        Poll::Ready(Ok(part.len()))
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use http::Method;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::pool::Pool;
    use crate::prepared::Prepared;
    use crate::request::Request;

    /// The size of a body that does not arrive in one piece.
    const LONG: usize = 1 << 20;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    /// Servers that answer with `head`, then `body`, in pieces of `step` bytes. If `stays`, they keep the connection
    /// open. All answers after the first are short.
    struct Servers {
        connector: Prepared,
        pool: Pool<Prepared>,
    }

    impl Servers {
        fn start(head: &str, body: &[u8], step: usize, stays: bool) -> Self {
            let (answer, is_first) = ([head.as_bytes(), body].concat(), Arc::new(AtomicBool::new(true)));
            let connector = Prepared::new(move || {
                let (mut there, here) = tokio::io::duplex(300_000);
                let (mut answer, is_first) = (answer.clone(), Arc::clone(&is_first));
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    while there.read(&mut request).await.is_ok_and(|length| length > 0) {
                        if !is_first.swap(false, Ordering::SeqCst) {
                            answer = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
                        }
                        for piece in answer.chunks(step) {
                            // An error means that the reader has stopped reading.
                            let _ = there.write_all(piece).await;
                            tokio::task::yield_now().await;
                        }
                        if !stays {
                            break;
                        }
                    }
                });
                Box::new(here)
            });
            Self { pool: Pool::new(connector.clone()), connector }
        }

        async fn ask(&self) -> Response {
            let request = Request::new(Method::GET, "http://registry.example/blob".parse().unwrap());
            Response::new(self.pool.send(&request, Duration::from_secs(2)).await.unwrap(), request.url)
        }

        /// Whether the next request uses the connection of the first.
        async fn is_kept(&self) -> bool {
            assert_eq!(self.connector.count(), 1);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(self.ask().await.status(), StatusCode::NO_CONTENT);
            self.connector.count() == 1
        }
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
            length in prop_oneof![1_usize..100_000, LONG - 2..LONG + 200_000],
            behind in prop_oneof![Just(0_usize), Just(0), 1_usize..100_000],
            step in 1_000_usize..400_000,
            room in 1_000_usize..700_000,
        ) {
            run(async {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let body = [content(length), vec![b'x'; behind]].concat();
                let servers = Servers::start(&head, &body, step, true);
                let mut response = servers.ask().await;
                let (came, error) = read(&mut response, room).await;
                assert!(error.is_none() && came == content(length));
                assert_eq!(read(&mut response, room).await.0, b"");
                // Bytes after the body must not answer the next request.
                assert_eq!(servers.is_kept().await, behind == 0);
            });
        }

        #[test]
        fn a_body_that_ends_too_early_is_an_error(
            length in prop_oneof![1_usize..100_000, LONG..LONG + 200_000],
            missing in 1_usize..100_000,
            step in 1_000_usize..400_000,
        ) {
            run(async {
                let came = length.saturating_sub(missing);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                let servers = Servers::start(&head, &content(came), step, false);
                let mut response = servers.ask().await;
                let (read, error) = read(&mut response, 100_000).await;
                assert!(read == content(came) && error.is_some());
                drop(response);
                assert!(!servers.is_kept().await);
            });
        }
    }

    #[tokio::test]
    async fn a_connection_that_is_to_be_closed_is_not_kept() {
        for head in ["HTTP/1.1 200 OK\r\nConnection: x, Close", "HTTP/1.0 200 OK"] {
            for length in [1000, LONG] {
                let head = format!("{head}\r\ncontent-length: {length}\r\n\r\n");
                let servers = Servers::start(&head, &content(length), 100_000, true);
                let mut response = servers.ask().await;
                assert_eq!(read(&mut response, 100_000).await.0, content(length));
                assert!(!servers.is_kept().await);
            }
        }
    }

    #[tokio::test]
    async fn the_connection_of_a_short_unread_body_is_kept() {
        for (length, is_kept) in [(0, true), (1000, true), (LONG - 1, false), (LONG, false)] {
            let head = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {length}\r\n\r\n");
            let servers = Servers::start(&head, &content(length), 1 << 20, true);
            drop(servers.ask().await);
            assert_eq!(servers.is_kept().await, is_kept, "{length}");
        }
    }
}
