//! HTTP/1.1 and HTTP/2 on a connection, within the server's limits.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::options::ServerOptions;
use crate::plane::{Body, Link, Streams};

/// The largest read buffer of a connection, in bytes: each read costs a wake-up or two. A connection starts with 8 KiB,
/// and its buffer grows only while the client keeps it full.
const READ: usize = 256 << 10;

/// The most requests at the same time on one connection of HTTP/2. RFC 9113, 6.5.2, asks for at least 100.
const STREAMS: u32 = 100;

/// The most bytes of one request's body that wait in hyper until its handler reads them.
const STREAM_WINDOW: u32 = 512 << 10;

/// The most bytes of all requests' bodies of one connection that wait in hyper.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The most bytes of one response that wait in hyper until the connection takes them, beside one piece of its body.
const SEND: usize = 256 << 10;

/// The largest frame that a client may send, in bytes. Each frame costs a header and a wake-up.
const FRAME: u32 = 64 << 10;

/// The most streams that a client may open and reset before they were accepted (CVE-2023-44487).
const RESETS: usize = 20;

/// How long a connection of HTTP/2 without requests has to close after it was told to.
const LEAVE: Duration = Duration::from_secs(5);

/// Serves HTTP/1.1 until the connection ends. After `stopped`, the present request is the last one.
pub(crate) async fn http1<I, S>(
    io: I,
    service: S,
    options: &ServerOptions,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let serving = http1::Builder::new()
        // Vectored writes keep body chunks apart from the head; the data plane depends on that.
        .writev(true)
        .max_buf_size(READ)
        // hyper's limit applies until the head is whole. It is twice the configured one, so that a head only a little
        // too large is parsed and gets a 431 that names the limit.
        .max_header_size(2 * options.max_header_size)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}

/// Serves HTTP/2 until the connection ends. After `stopped`, or after the idle timeout without a request, the client is
/// told to open no more streams, and those that are open may end.
pub(crate) async fn http2<I, S>(
    io: I,
    service: S,
    link: &Link,
    options: &ServerOptions,
    mut stopped: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let streams = Streams::new(options.progress_timeout);
    let serving = http2::Builder::new(streams.starter())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buf_size(SEND)
        .max_header_list_size(u32::try_from(2 * options.max_header_size).unwrap_or(u32::MAX))
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return result,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            return serving.await;
        }
        () = idle(link, options.idle_timeout) => serving.as_mut().graceful_shutdown(),
    }
    // A client that has gone without a word never confirms.
    loop {
        match tokio::time::timeout(LEAVE, &mut serving).await {
            Ok(result) => return result,
            Err(_) if link.is_busy() => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Ready when the connection has had no request for `patience` at least, and for twice as long at most.
async fn idle(link: &Link, patience: Duration) {
    loop {
        let begun = link.begun();
        tokio::time::sleep(patience).await;
        if !link.is_busy() && link.begun() == begun {
            return;
        }
    }
}
