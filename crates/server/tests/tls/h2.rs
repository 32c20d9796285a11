//! A client of HTTP/2 over TLS.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::World;

/// One connection of HTTP/2.
#[derive(Clone)]
pub(crate) struct H2 {
    sender: SendRequest<Payload>,
    authority: String,
}

/// The body of a request.
pub(crate) struct Payload {
    bytes: Bytes,
    /// Whether it never ends.
    is_endless: bool,
}

impl<T: Into<Bytes>> From<T> for Payload {
    fn from(bytes: T) -> Self {
        Self { bytes: bytes.into(), is_endless: false }
    }
}

impl Payload {
    /// A body that begins with `bytes` and never ends.
    pub(crate) fn endless(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), is_endless: true }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match std::mem::take(&mut self.bytes) {
            bytes if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ if self.is_endless => Poll::Pending,
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && !self.is_endless
    }
}

/// A whole answer.
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl H2 {
    /// Connects to the registry of `world`.
    pub(crate) async fn connect(world: &World) -> Self {
        Self::connect_with(world, |_| {}).await
    }

    /// As [`H2::connect`], with other settings of HTTP/2.
    pub(crate) async fn connect_with(
        world: &World,
        change: impl FnOnce(&mut Builder<TokioExecutor>),
    ) -> Self {
        let tls = world.authority.client_with(rustls::ALL_VERSIONS, &[b"h2"], None);
        let address = world.registry.address();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = TlsConnector::from(tls.config().clone()).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let mut builder = Builder::new(TokioExecutor::new());
        change(&mut builder);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender, authority: format!("localhost:{}", address.port()) }
    }

    /// Names another host.
    pub(crate) fn naming(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Whether the connection has ended, or no further request may be sent on it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request, and reads the head of the answer.
    pub(crate) async fn begin(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Payload>,
    ) -> hyper::Result<Response<Incoming>> {
        let url = if target.starts_with('/') {
            format!("https://{}{target}", self.authority)
        } else {
            target.to_owned()
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let mut sender = self.sender.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }

    /// Sends a request, and reads the whole answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Payload>,
    ) -> Whole {
        let (head, body) = self.begin(method, target, headers, body).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Whole { status: head.status, headers: head.headers, body }
    }

    /// `GET`
    pub(crate) async fn get(&self, target: &str) -> Whole {
        self.send(Method::GET, target, &[], Bytes::new()).await
    }
}
