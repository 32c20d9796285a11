//! Connects to a request's host: directly or through a proxy, with or without TLS.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderValue, Method, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::{Position, Url};

use crate::cause::is_timeout;
use crate::guard::{Guard, without_brackets};
use crate::request::AGENT;
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

/// A connection to a registry, ready for HTTP.
pub(crate) struct Wire {
    io: TokioIo<Stream>,
    /// Whether the other end is a proxy that forwards plain HTTP.
    is_forwarded: bool,
    opened: Opened,
}

/// When a connection was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened(pub(crate) Instant);

impl Wire {
    pub(crate) fn over(stream: Stream, is_forwarded: bool) -> Self {
        Self { io: TokioIo::new(stream), is_forwarded, opened: Opened(Instant::now()) }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded).extra(self.opened)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error("no connection")]
    Failed(#[source] BoxError),
}

/// Makes connections. Clones share its name lookup and its authorities.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
    /// How long the other end may take no byte that is sent, before the system ends the connection.
    unmoved: Duration,
}

struct Shared {
    guard: Guard,
    resolver: Resolver,
    proxies: Option<Matcher>,
    authorities: Vec<CertificateDer<'static>>,
    /// Created when it is first needed: reading the authorities takes longer than a registry on the same machine takes
    /// to answer.
    tls: Mutex<Option<TlsConnector>>,
    patience: Duration,
}

impl Connector {
    /// A connector to the hosts that the guard allows. It allows `patience` for a connection: name lookup, TCP and TLS
    /// together. `direct` is whether it uses no proxy.
    pub(crate) fn new(
        guard: Guard,
        authorities: Vec<CertificateDer<'static>>,
        patience: Duration,
        direct: bool,
    ) -> Self {
        let shared = Shared {
            guard,
            resolver: Resolver::new(patience),
            proxies: (!direct).then(Matcher::from_system),
            authorities,
            tls: Mutex::default(),
            patience,
        };
        // A request without a body fits into every receiver's memory. So if it is not taken, the route is lost: the loss of
        // a kept connection is noticed within the same time as a failure to connect.
        Self { shared: Arc::new(shared), unmoved: patience }
    }

    /// The same connector for requests with bodies. A registry that writes to a slow disk stops reading for a while; the
    /// system counts that time like a lost route.
    pub(crate) fn for_bodies(&self, unmoved: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), unmoved }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.shared.guard
    }

    /// The longest time that a connection may take.
    pub(crate) fn patience(&self) -> Duration {
        self.shared.patience
    }

    /// What a request to `url` must show to a proxy that forwards it, if there is one and it wants credentials.
    pub(crate) fn proxy_authorization(&self, url: &Url) -> Option<HeaderValue> {
        let target =
            if url.scheme() == "http" { url[..Position::BeforePath].parse().ok()? } else { return None };
        self.shared.proxies.as_ref()?.intercept(&target)?.basic_auth().cloned()
    }
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(target).await })
    }
}

impl Connector {
    /// Opens a connection for requests to a host.
    async fn connect(&self, target: Uri) -> Result<Wire, ConnectError> {
        if target.scheme() == Some(&Scheme::HTTPS) {
            // Before the timer starts: reading the authorities takes time that is not the registry's.
            self.tls_connector().map_err(|reason| ConnectError::Failed(reason.into()))?;
        }
        match timeout(self.patience(), self.open(target)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) if !is_timeout(&*error) => Err(ConnectError::Failed(error)),
            // The whole attempt timed out, or the attempt for one of the addresses.
            _ => Err(ConnectError::TimedOut(self.patience())),
        }
    }

    async fn open(&self, target: Uri) -> Result<Wire, BoxError> {
        let url: Url = target.to_string().parse()?;
        let way = self.guard().way(&url)?;
        let resolver =
            GuardedResolver { resolver: self.shared.resolver.clone(), guard: self.guard().clone(), way };
        let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let (is_tls, authority) = (url.scheme() == "https", format!("{host}:{port}"));
        let target: Uri = format!("{}://{authority}", url.scheme()).parse()?;
        let proxy = self.shared.proxies.as_ref().and_then(|proxies| proxies.intercept(&target));
        let (stream, is_forwarded) = match proxy {
            None => (self.tcp(target, resolver).await?, false),
            Some(proxy) => {
                let stream = self.to_proxy(&proxy, resolver).await?;
                if is_tls { (tunnel(stream, &proxy, &authority).await?, false) } else { (stream, true) }
            }
        };
        let stream = if is_tls { self.tls(stream, host).await? } else { stream };
        Ok(Wire::over(stream, is_forwarded))
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
        connector.set_connect_timeout(Some(self.patience()));
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE));
        connector.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(self.unmoved));
        Ok(Box::new(connector.call(target).await?.into_inner()))
    }

    async fn tls(&self, stream: Stream, host: &str) -> Result<Stream, BoxError> {
        let name = ServerName::try_from(without_brackets(host).to_owned())?;
        let connector = self.tls_connector()?;
        Ok(Box::new(connector.connect(name, stream).await?))
    }

    fn tls_connector(&self) -> Result<TlsConnector, String> {
        let mut tls = self.shared.tls.lock();
        match &*tls {
            Some(tls) => Ok(tls.clone()),
            None => {
                Ok(tls.insert(TlsConnector::from(Arc::new(roots::tls(&self.shared.authorities)?))).clone())
            }
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
