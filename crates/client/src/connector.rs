//! Connects to a request's host: directly or through a proxy, with or without TLS.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Method, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service as _;
use url::Url;

use crate::connection::{AGENT, Connection, Proxied};
use crate::dialler::is_timeout;
use crate::guard::{Guard, Way, without_brackets};
use crate::resolver::{BoxError, GuardedResolver, Resolver};
use crate::roots;

/// TCP keepalive: the idle time before the first probe and between probes, and how many unanswered probes end the
/// connection.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;

/// A byte stream in both directions, over any transport.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub(crate) type Stream = Box<dyn Duplex>;

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error("no connection")]
    Failed(#[source] BoxError),
}

/// Makes connections.
pub(crate) struct Connector {
    resolver: Resolver,
    proxies: Option<Matcher>,
    authorities: Vec<CertificateDer<'static>>,
    /// Created when it is first needed: reading the authorities takes longer than a registry on the same machine takes
    /// to answer.
    tls: Mutex<Option<TlsConnector>>,
    patience: Duration,
}

impl Connector {
    /// A connector that allows `patience` for a connection: name lookup, TCP and TLS together.
    pub(crate) fn new(authorities: Vec<CertificateDer<'static>>, patience: Duration, direct: bool) -> Self {
        Self {
            resolver: Resolver::new(patience),
            proxies: (!direct).then(Matcher::from_system),
            authorities,
            tls: Mutex::default(),
            patience,
        }
    }

    /// The longest time that a connection may take.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Opens a connection for requests to the host of `url`, within `patience`, which is at most the connector's own.
    pub(crate) async fn connect(
        &self,
        url: &Url,
        way: Way,
        guard: &Guard,
        patience: Duration,
    ) -> Result<Connection, ConnectError> {
        if url.scheme() == "https" {
            // Before the timer starts: reading the authorities takes time that is not the registry's.
            self.tls_connector().map_err(|reason| ConnectError::Failed(reason.into()))?;
        }
        let resolver = GuardedResolver { resolver: self.resolver.clone(), guard: guard.clone(), way };
        match timeout(patience, self.open(url, resolver)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) if !is_timeout(&*error) => Err(ConnectError::Failed(error)),
            // The whole attempt timed out, or the attempt for one of the addresses.
            _ => Err(ConnectError::TimedOut(patience)),
        }
    }

    async fn open(&self, url: &Url, resolver: GuardedResolver) -> Result<Connection, BoxError> {
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let (is_tls, authority) = (url.scheme() == "https", format!("{host}:{port}"));
        let target: Uri = format!("{}://{authority}", url.scheme()).parse()?;
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.intercept(&target));
        let (stream, proxied) = match proxy {
            None => (self.tcp(target, resolver).await?, None),
            Some(proxy) => {
                let stream = self.to_proxy(&proxy, resolver).await?;
                if is_tls {
                    (tunnel(stream, &proxy, &authority).await?, None)
                } else {
                    (stream, Some(Proxied { authorization: proxy.basic_auth().cloned() }))
                }
            }
        };
        let stream = if is_tls { self.tls(stream, host).await? } else { stream };
        Ok(Connection::over(stream, proxied).await?)
    }

    async fn to_proxy(&self, proxy: &Intercept, resolver: GuardedResolver) -> Result<Stream, BoxError> {
        let host = proxy.uri().host().unwrap_or_default();
        let scheme = proxy.uri().scheme_str().unwrap_or_default();
        if !matches!(scheme, "http" | "https") {
            return Err(format!("the proxy `{scheme}://{host}` is not an HTTP proxy").into());
        }
        let stream = self.tcp(proxy.uri().clone(), resolver).await?;
        if scheme == "https" { self.tls(stream, host).await } else { Ok(stream) }
    }

    async fn tcp(&self, target: Uri, resolver: GuardedResolver) -> Result<Stream, BoxError> {
        let mut connector = HttpConnector::new_with_resolver(resolver);
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(self.patience));
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE));
        connector.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        // The loss of a kept connection is noticed within the same time as a failure to connect.
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(self.patience));
        Ok(Box::new(connector.call(target).await?.into_inner()))
    }

    async fn tls(&self, stream: Stream, host: &str) -> Result<Stream, BoxError> {
        let name = ServerName::try_from(without_brackets(host).to_owned())?;
        let connector = self.tls_connector()?;
        Ok(Box::new(connector.connect(name, stream).await?))
    }

    fn tls_connector(&self) -> Result<TlsConnector, String> {
        let mut tls = self.tls.lock();
        match &*tls {
            Some(tls) => Ok(tls.clone()),
            None => Ok(tls.insert(TlsConnector::from(Arc::new(roots::tls(&self.authorities)?))).clone()),
        }
    }
}

/// Asks a proxy to open a tunnel to `authority` (RFC 9110, 9.3.6).
async fn tunnel(stream: Stream, proxy: &Intercept, authority: &str) -> Result<Stream, BoxError> {
    let mut request = http::Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = authority.parse()?;
    request.headers_mut().insert(HOST, authority.parse()?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(authorization) = proxy.basic_auth() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    let (mut sender, mut wire) = http1::handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    let answer = poll_fn(|cx| {
        // The connection ends when the tunnel is open, or with the reason why no answer came.
        let ended = wire.poll_without_shutdown(cx).map(Result::err);
        match (answer.as_mut().poll(cx), ended) {
            (Poll::Pending, Poll::Ready(Some(error))) => Poll::Ready(Err(error)),
            (answer, _) => answer,
        }
    });
    let (proxy, status) = (proxy.uri().host().unwrap_or_default(), answer.await?.status());
    if !status.is_success() {
        return Err(format!("the proxy `{proxy}` answered with status {}", status.as_u16()).into());
    }
    let parts = wire.into_parts();
    // The registry behind the tunnel does not send first: TLS and HTTP both begin with the client.
    if parts.read_buf.is_empty() {
        Ok(parts.io.into_inner())
    } else {
        Err(format!("the proxy `{proxy}` sent unexpected data after it opened the tunnel").into())
    }
}
