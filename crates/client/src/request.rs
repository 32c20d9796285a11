//! A request that is not sent yet.

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Uri};
use http_body_util::{Either, Full};
use url::{Position, Url};

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

    /// Whether a server that gets the request twice does the same as if it got it once.
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// The request in the form that hyper sends.
    pub(crate) fn form(&self) -> Result<http::Request<RequestBody>, http::Error> {
        self.form_with(Either::Left(Full::new(self.body.clone())))
    }

    /// As [`Request::form`], with another body.
    pub(crate) fn form_with(&self, body: RequestBody) -> Result<http::Request<RequestBody>, http::Error> {
        let mut formed = http::Request::new(body);
        *formed.method_mut() = self.method.clone();
        *formed.uri_mut() = self.url[..Position::AfterQuery].parse::<Uri>()?;
        let headers = formed.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(&self.url[Position::BeforeHost..Position::AfterPort])?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.extend(self.headers.clone());
        Ok(formed)
    }
}
