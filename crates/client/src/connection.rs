//! One HTTP/1.1 connection, which carries one request at a time.
//!
//! No background task drives the connection: it makes progress only while a caller waits for an answer or reads it.
//! Bytes that the caller does not read stay with the sender.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use url::{Position, Url};

use crate::connector::Stream;
use crate::outgoing::Outgoing;

/// The `User-Agent` of this program.
pub(crate) const AGENT: &str = concat!("hythe/", env!("CARGO_PKG_VERSION"));

/// The body of a request: whole, or read from a source while it is sent.
pub(crate) type RequestBody = Either<Full<Bytes>, Outgoing>;

/// A request that is not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// How a request is sent to a proxy that forwards plain HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Proxied {
    pub(crate) authorization: Option<HeaderValue>,
}

/// A connection.
pub(crate) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once the connection has ended. Boxed because it is large and often moved.
    wire: Option<Box<http1::Connection<TokioIo<Stream>, RequestBody>>>,
    pub(crate) proxied: Option<Proxied>,
}

impl Connection {
    /// A connection over a stream that carries no request yet.
    pub(crate) async fn over(stream: Stream, proxied: Option<Proxied>) -> hyper::Result<Self> {
        let (sender, wire) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, wire: Some(Box::new(wire)), proxied })
    }

    /// As [`Connection::over`], without waiting: an HTTP/1.1 handshake sends nothing.
    pub(crate) fn over_idle(stream: Stream, proxied: Option<Proxied>) -> Option<Self> {
        let opened = pin!(Self::over(stream, proxied));
        match opened.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(opened) => opened.ok(),
            Poll::Pending => None,
        }
    }

    /// Sends and receives what is ready, both ways. When the connection ends, the caller that waits for an answer gets
    /// the reason.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(wire) = &mut self.wire
            && Pin::new(wire).poll(cx).is_ready()
        {
            self.wire = None;
        }
    }

    /// Whether another request can be sent, as far as this side knows: this call notices if the other end has closed
    /// the connection.
    pub(crate) fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll(&mut cx);
        self.wire.is_some() && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: http::Request<RequestBody>,
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

    /// The request in the form that this connection needs: with a full URL if a proxy forwards it.
    pub(crate) fn form(&self, request: &Request) -> Result<http::Request<RequestBody>, http::Error> {
        self.form_with(request, Either::Left(Full::new(request.body.clone())))
    }

    /// As [`Connection::form`], with another body.
    pub(crate) fn form_with(
        &self,
        request: &Request,
        body: RequestBody,
    ) -> Result<http::Request<RequestBody>, http::Error> {
        let url = &request.url;
        let target = if self.proxied.is_some() {
            &url[..Position::AfterQuery]
        } else {
            &url[Position::BeforePath..Position::AfterQuery]
        };
        let mut formed = http::Request::new(body);
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

    /// The stream, and the bytes that the connection has read from it but not handed out; `None` if the connection has
    /// ended.
    pub(crate) fn into_stream(self) -> Option<(Stream, Bytes)> {
        let parts = self.wire?.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }
}
