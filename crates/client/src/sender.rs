//! Sends requests of another protocol than a registry's, such as S3, over connections like those of a [`Client`](crate::Client):
//! the same name lookup, proxies, certificate authorities and TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hythe_oci::Authority;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::cause::{innermost, is_timeout};
use crate::connector::Connector;
use crate::endpoint;
use crate::guard::Guard;
use crate::options::ConfigError;
use crate::transport::explained;

/// How long a connection may take: name lookup, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the head of an answer may take after the request began to be sent. A request's body may have some MiB, and the way may be
/// slow.
const HEAD: Duration = Duration::from_mins(3);

/// How long a body may go without a byte, in either direction.
const PROGRESS: Duration = Duration::from_mins(1);

/// How long a connection is kept idle, and how many are kept to one host.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 16;

/// Sends requests to the server at one endpoint, and to public addresses.
#[derive(Clone)]
pub struct Sender<B> {
    connector: Connector,
    client: legacy::Client<Connector, B>,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct SendFailure {
    /// The reason, for people.
    pub reason: String,
    /// Whether no connection could be made.
    pub is_connect: bool,
    /// Whether the server took too long.
    pub is_timeout: bool,
}

impl<B> Sender<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// A sender to the endpoint, a URL. `named` are further hosts that may have private addresses. Nothing is sent yet.
    pub fn new(endpoint: &str, named: Vec<Authority>) -> Result<Self, ConfigError> {
        let guard = Guard::new(&endpoint::parse(endpoint)?, true, named);
        let connector = Connector::new(guard, Vec::new(), CONNECT, false).for_bodies(PROGRESS);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        builder.pool_max_idle_per_host(IDLE_CONNECTIONS);
        Ok(Self { client: builder.build(connector.clone()), connector })
    }

    /// Sends a request, and returns once the head of the answer is there.
    pub async fn send(&self, mut request: http::Request<B>) -> Result<http::Response<Answer>, SendFailure> {
        let url = request.uri().to_string().parse();
        let authorization = url.ok().and_then(|url| self.connector.proxy_authorization(&url));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
        // Boxed: the future is large, and every future that sends a request would be as large.
        match timeout(HEAD, Box::pin(self.client.request(request))).await {
            Ok(Ok(answer)) => Ok(answer.map(Answer::new)),
            Ok(Err(error)) => Err(SendFailure {
                reason: explained(&error).unwrap_or_else(|| innermost(&error)),
                is_connect: error.is_connect(),
                is_timeout: is_timeout(&error),
            }),
            Err(_) => {
                let reason = format!("no answer within {} s", HEAD.as_secs());
                Err(SendFailure { reason, is_connect: false, is_timeout: true })
            }
        }
    }
}

impl<B> fmt::Debug for Sender<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// The body of an answer. It is an error if the server sends no byte for a while.
#[derive(Debug)]
pub struct Answer {
    body: Incoming,
    late: Pin<Box<Sleep>>,
}

impl Answer {
    fn new(body: Incoming) -> Self {
        Self { body, late: Box::pin(sleep(PROGRESS)) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.late.as_mut().reset(Instant::now() + PROGRESS);
                Poll::Ready(frame.map(|frame| frame.map_err(|error| io::Error::other(innermost(&error)))))
            }
            Poll::Pending => {
                ready!(self.late.as_mut().poll(cx));
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
