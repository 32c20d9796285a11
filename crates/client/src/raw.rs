//! Requests whose answers the caller reads as they are, whatever their status.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hythe_oci::{RepositoryName, encode};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};
use url::Url;

use crate::ask::Ask;
use crate::client::Client;
use crate::error::{Error, PushError};
use crate::outgoing::Outgoing;
use crate::redirect::location;
use crate::scope::Scope;

/// How long a connection that is to break stays open after its last byte, so that the registry receives this byte.
const BEFORE_BREAK: Duration = Duration::from_millis(300);

/// The address of a request: a path of the API, or the address that an answer's `Location` gave.
#[derive(Clone, Debug)]
pub struct Place {
    to: To,
    query: Vec<String>,
}

#[derive(Clone, Debug)]
enum To {
    Path(String),
    Url {
        url: Url,
        /// Whether the endpoint itself gave the address, and the address is at the endpoint.
        at_home: bool,
    },
}

/// What a token must allow for a request to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and uploading.
    Push,
    /// Reading and deleting.
    Delete,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub enum RawBody {
    /// All bytes, with their `Content-Length`.
    Whole(Bytes),
    /// All bytes, in a chunked body without `Content-Length`.
    Chunked(Bytes),
    /// The first bytes of a body with this `Content-Length`; after them the connection breaks.
    Broken(Bytes, u64),
}

/// A request, as it is sent.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The method.
    pub method: Method,
    /// The address.
    pub place: Place,
    /// The headers, beside those that every request has.
    pub headers: HeaderMap,
    /// The body.
    pub body: RawBody,
    /// The repositories that the request concerns.
    pub scopes: Vec<(RepositoryName, Access)>,
    /// Whether GET and HEAD follow redirects.
    pub follows_redirects: bool,
    /// The most bytes that the answer's body may have.
    pub limit: usize,
}

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The address in `Location`, if there is a usable one.
    pub location: Option<Place>,
}

impl Place {
    /// A path of the API, such as `/v2/`. It has no query.
    pub fn path(path: impl Into<String>) -> Self {
        Self { to: To::Path(path.into()), query: Vec::new() }
    }

    /// Adds a parameter to the query. The query that an address has stays.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push(format!("{name}={}", encode(value)));
        self
    }

    /// Adds parameters that are already escaped.
    pub fn with_query(mut self, query: &str) -> Self {
        self.query.push(query.to_owned());
        self
    }
}

/// The path, and the parameters that were added. An address that the registry gave may have a signature in its own query,
/// which is not shown.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            To::Path(path) => f.write_str(path)?,
            To::Url { url, .. } => f.write_str(url.path())?,
        }
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query.join("&")) }
    }
}

impl RawRequest {
    /// A request without headers and body, whose answer may have 4 MiB.
    pub fn new(method: Method, place: Place) -> Self {
        Self {
            method,
            place,
            headers: HeaderMap::new(),
            body: RawBody::Whole(Bytes::new()),
            scopes: Vec::new(),
            follows_redirects: true,
            limit: 4 << 20,
        }
    }

    /// Adds a header. A value that no header may have is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl RawAnswer {
    /// A header's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// Sends a request and returns the answer whatever its status, with the tokens and the limits of every request.
    /// Credentials go only to the endpoint. A refused token is replaced, and the request sent once more.
    ///
    /// Errors are those of the connection, of the token server and of an answer that is too long.
    pub async fn send_raw(&self, request: &RawRequest) -> Result<RawAnswer, Error> {
        let answer = match &request.body {
            RawBody::Whole(body) => {
                let mut ask = self.raw(request);
                ask.body = body.clone();
                self.0.ask(ask).await?
            }
            RawBody::Chunked(body) => {
                let mut tries = 2;
                loop {
                    let source = io::Cursor::new(body.clone());
                    tries -= 1;
                    match self.stream(request, Outgoing::new(source, None)).await? {
                        Some(answer) => break answer,
                        None if tries > 0 => {}
                        None => {
                            let subject = self.raw(request).subject;
                            return Err(subject.denied(401, "the registry accepts no token"));
                        }
                    }
                }
            }
            RawBody::Broken(body, length) => {
                let source = Breaking { bytes: body.clone(), end: None };
                let Some(answer) = self.stream(request, Outgoing::new(source, Some(*length))).await? else {
                    return Err(self.raw(request).subject.denied(401, "the registry asks for another token"));
                };
                answer
            }
        };
        let at_home = answer.response.url().origin() == self.0.url.origin();
        let was_at_home = match &request.place.to {
            To::Path(_) => true,
            To::Url { at_home, .. } => *at_home,
        };
        let found = location(answer.response.url(), &answer.response, &answer.subject, "an answer");
        let location = found.ok().map(|url| {
            let at_home = at_home && was_at_home && url.origin() == self.0.url.origin();
            Place { to: To::Url { url, at_home }, query: Vec::new() }
        });
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body =
            if request.method == Method::HEAD { Bytes::new() } else { answer.read(request.limit).await? };
        Ok(RawAnswer { status, headers, body, location })
    }

    /// Sends a body from a source. A break is what the caller wants: it is an error of the connection.
    async fn stream(
        &self,
        request: &RawRequest,
        body: Outgoing,
    ) -> Result<Option<crate::answer::Answer>, Error> {
        let mut ask = self.raw(request);
        if let Some(length) = body.length() {
            ask.headers.insert(CONTENT_LENGTH, length.into());
        }
        let subject = self.raw(request).subject;
        self.0.send_body(ask, body).await.map_err(|error| match error {
            PushError::Content(error) => subject.unavailable(error.to_string()),
            PushError::Registry(error) => error,
        })
    }

    fn raw(&self, request: &RawRequest) -> Ask {
        let (mut url, at_home) = match &request.place.to {
            To::Path(path) => (self.0.at(path), true),
            To::Url { url, at_home } => (url.clone(), *at_home),
        };
        for part in &request.place.query {
            let query = url.query().filter(|query| !query.is_empty());
            let query = query.map_or_else(|| part.clone(), |before| format!("{before}&{part}"));
            url.set_query(Some(&query));
        }
        let scopes = request.scopes.iter().map(|(repository, access)| match access {
            Access::Pull => Scope::pull(repository),
            Access::Push => Scope::push(repository),
            Access::Delete => Scope::delete(repository),
        });
        let subject = self.0.subject(format!("{} {}", request.method, url.path()));
        let mut ask = Ask::new(request.method.clone(), url, scopes.collect(), subject);
        ask.headers.clone_from(&request.headers);
        (ask.expected, ask.at_home) = (&[], at_home);
        ask.follows_redirects &= request.follows_redirects;
        ask
    }
}

/// Bytes, and after them, once they can have been sent, an early end.
struct Breaking {
    bytes: Bytes,
    end: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            let end = self.end.get_or_insert_with(|| Box::pin(sleep(BEFORE_BREAK)));
            ready!(end.as_mut().poll(cx));
            return Poll::Ready(Ok(()));
        }
        let count = self.bytes.len().min(space.remaining());
        space.put_slice(&self.bytes[..count]);
        self.bytes.advance(count);
        Poll::Ready(Ok(()))
    }
}
