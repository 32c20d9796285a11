//! One connection, on which requests are sent one after the other (HTTP/1.1).
//!
//! Nobody else drives it: it goes on while its answer is waited for or read, and what is not read stays with the sender.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use url::{Position, Url};

use crate::connector::Stream;

/// What this program calls itself.
pub(crate) const AGENT: &str = concat!("hythe/", env!("CARGO_PKG_VERSION"));

/// A request, yet to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// One without headers or a body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// How a proxy is asked to ask others, in the clear.
#[derive(Clone, Debug)]
pub(crate) struct Proxied {
    pub(crate) authorization: Option<HeaderValue>,
}

/// A connection.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// None once it has ended. Large, and moved often.
    wire: Option<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
    pub(crate) proxied: Option<Proxied>,
}

impl Connection {
    /// Over a stream on which nothing is under way.
    pub(crate) async fn over(stream: Stream, proxied: Option<Proxied>) -> hyper::Result<Self> {
        let (sender, wire) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, wire: Some(Box::new(wire)), proxied })
    }

    /// The same at once: there is nothing to wait for.
    pub(crate) fn over_idle(stream: Stream, proxied: Option<Proxied>) -> Option<Self> {
        let opened = pin!(Self::over(stream, proxied));
        match opened.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(opened) => opened.ok(),
            Poll::Pending => None,
        }
    }

    /// Moves what there is to move, both ways. Why a connection ends is told to who waits for its answer.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire
            && Pin::new(wire).poll(cx).is_ready()
        {
            self.wire = None;
        }
    }

    /// Whether another request can be sent, as far as it is known: one that the other end has closed says so here.
    pub(crate) fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll(&mut cx);
        self.wire.is_some() && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Sends a request, and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<http::Response<Incoming>> {
        poll_fn(|cx| {
            self.poll(cx);
            self.sender.poll_ready(cx)
        })
        .await?;
        let mut answer = pin!(self.sender.send_request(request));
        poll_fn(|cx| {
            self.poll(cx);
            answer.as_mut().poll(cx)
        })
        .await
    }

    /// A request as it is sent on this connection.
    pub(crate) fn form(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let url = &request.url;
        let target = if self.proxied.is_some() {
            &url[..Position::AfterQuery]
        } else {
            &url[Position::BeforePath..Position::AfterQuery]
        };
        let mut formed = http::Request::new(Full::new(request.body.clone()));
        *formed.method_mut() = request.method.clone();
        *formed.uri_mut() = target.parse::<Uri>()?;
        let headers = formed.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort])?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(Proxied { authorization: Some(authorization) }) = &self.proxied {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        headers.extend(request.headers.clone());
        Ok(formed)
    }

    /// The stream, and what has come on it that was not asked for by now; none where it has ended.
    pub(crate) fn into_stream(self) -> Option<(Stream, Bytes)> {
        let parts = self.wire?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }
}
