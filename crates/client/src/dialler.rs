//! Sends one request, if the guard allows its host.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::Either;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::connection::{Connection, Request};
use crate::connector::{ConnectError, Connector};
use crate::error::{Error, Subject};
use crate::guard::{Guard, RefusedHost, Way, authority_of};
use crate::outgoing::Outgoing;
use crate::pool::Pool;
use crate::response::Response;

/// Connects, and keeps connections for later requests. It creates nothing before the first request: without a request
/// it costs neither memory nor time.
pub(crate) struct Dialler {
    guard: Guard,
    connector: Connector,
    pool: Arc<Pool>,
}

/// When dropped, closes the pool's connections to `origin`, unless `origin` is `None`.
struct Forgotten<'a> {
    pool: &'a Pool,
    origin: Option<&'a url::Origin>,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        if let Some(origin) = self.origin {
            self.pool.forget(origin);
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("it could not be connected to")]
    Connect(#[source] ConnectError),
    #[error("the request cannot be written as HTTP")]
    Form(#[source] http::Error),
    #[error("it did not answer")]
    Exchange(#[source] hyper::Error),
}

impl Dialler {
    pub(crate) fn new(
        guard: Guard,
        authorities: Vec<CertificateDer<'static>>,
        connect_timeout: Duration,
        direct: bool,
    ) -> Self {
        let connector = Connector::new(authorities, connect_timeout, direct);
        Self { guard, connector, pool: Arc::default() }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a request, and returns once the head of the answer is there; the body is still to be read. The caller
    /// follows redirects.
    pub(crate) async fn send(&self, request: Request, subject: &Subject) -> Result<Response, Error> {
        let way = self.guard.way(&request.url).map_err(|refused| subject.refused(refused.to_string()))?;
        // Boxed: a connection is large, and every future that sends a request would be as large.
        Box::pin(self.send_on(&request, way)).await.map_err(|error| failure(&error, &request.url, subject))
    }

    /// Like [`Dialler::send`], with a streamed body. The request is never repeated, because the stream cannot be read a
    /// second time.
    pub(crate) async fn send_body(
        &self,
        request: Request,
        body: Outgoing,
        subject: &Subject,
    ) -> Result<Response, Error> {
        let way = self.guard.way(&request.url).map_err(|refused| subject.refused(refused.to_string()))?;
        let sent = Box::pin(self.send_once(&request, body, way));
        sent.await.map_err(|error| failure(&error, &request.url, subject))
    }

    async fn send_once(&self, request: &Request, body: Outgoing, way: Way) -> Result<Response, SendError> {
        let mut connection = if let Some(kept) = self.pool.take(&request.url.origin()) {
            kept
        } else {
            let patience = self.connector.patience();
            let connecting = self.connector.connect(&request.url, way, &self.guard, patience);
            connecting.await.map_err(SendError::Connect)?
        };
        let formed = connection.form_with(request, Either::Right(body)).map_err(SendError::Form)?;
        let answer = connection.send(formed).await.map_err(SendError::Exchange)?;
        Ok(Response::new(answer, request.url.clone(), connection, Arc::clone(&self.pool)))
    }

    /// Uses a kept connection if the pool has one. Sends the request a second time, over a new connection, where that
    /// may help.
    async fn send_on(&self, request: &Request, way: Way) -> Result<Response, SendError> {
        // The origin alone decides the way and the proxy of a request, so connections are kept by origin.
        let (origin, mut patience) = (request.url.origin(), self.connector.patience());
        let kept = self.pool.take(&origin);
        let was_kept = kept.is_some();
        let first = match kept {
            Some(kept) => {
                // The caller may give up, and drop this future, before the system reports a timeout. The other kept
                // connections to this origin are then no better: `forgotten` closes them.
                let mut forgotten = Forgotten { pool: &self.pool, origin: Some(&origin) };
                let result = self.exchange(request, kept).await;
                forgotten.origin = None;
                result
            }
            None => self.anew(request, way, patience).await,
        };
        let Err(SendError::Exchange(error)) = &first else { return first };
        let again = if is_timeout(error) {
            // The route to the host is gone, as when a laptop wakes up in another network; the other kept connections
            // used the same route. The caller has already waited as long as a connection may take, so the second
            // attempt gets a third of that.
            self.pool.forget(&origin);
            patience /= 3;
            was_kept && is_idempotent(request)
        } else {
            // The other side may close a connection just as it is used again: then it never read the request.
            was_not_sent(error) || is_idempotent(request)
        };
        if again { self.anew(request, way, patience).await } else { first }
    }

    async fn anew(&self, request: &Request, way: Way, patience: Duration) -> Result<Response, SendError> {
        let connecting = self.connector.connect(&request.url, way, &self.guard, patience);
        self.exchange(request, connecting.await.map_err(SendError::Connect)?).await
    }

    async fn exchange(&self, request: &Request, mut connection: Connection) -> Result<Response, SendError> {
        let formed = connection.form(request).map_err(SendError::Form)?;
        let answer = connection.send(formed).await.map_err(SendError::Exchange)?;
        Ok(Response::new(answer, request.url.clone(), connection, Arc::clone(&self.pool)))
    }
}

fn failure(error: &SendError, url: &Url, subject: &Subject) -> Error {
    if let Some(refused) = find::<RefusedHost>(error) {
        return subject.refused(refused.to_string());
    }
    let whose = authority_of(url);
    let whose = if whose == subject.host { String::new() } else { format!("{whose}: ") };
    let what = if is_of_unknown_authority(error) {
        "its certificate is signed by an unknown authority; add that CA's file to `ca`".to_owned()
    } else if matches!(find(error), Some(rustls::Error::InvalidMessage(_))) {
        "it does not speak TLS; if it serves plain HTTP, write `http://` in its endpoint".to_owned()
    } else {
        innermost(error)
    };
    let reason = format!("{whose}{what}");
    match error {
        // `unreachable` is about the endpoint itself. That a redirect's target cannot be reached says nothing about the
        // endpoint.
        SendError::Connect(_) if whose.is_empty() => subject.unreachable(reason),
        SendError::Connect(_) | SendError::Form(_) | SendError::Exchange(_) => subject.unavailable(reason),
    }
}

fn is_idempotent(request: &Request) -> bool {
    matches!(request.method, Method::GET | Method::HEAD)
}

/// Whether the connection turned out to be closed before any byte of the request was written.
fn was_not_sent(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed()
}

/// Whether the operating system's own timeout ended the wait.
pub(crate) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// An error, then its causes from the outermost to the innermost.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error's `source` skips the error that it wraps; `get_ref` returns that one.
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn is_of_unknown_authority(error: &SendError) -> bool {
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    find::<rustls::Error>(error) == Some(&unknown)
}

/// The text of the innermost cause. The errors around it add nothing, and contain the URL with its query, which in
/// redirects is a credential.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let error = causes(error).last().unwrap_or(error);
    if error.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_closed() || error.is_canceled()) {
        return "it closed the connection, or does not speak HTTP".to_owned();
    }
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "the connection was reset".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use hythe_oci::Authority;
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection whose other end vanished without closing it: once a request is written, the system reports a
    /// timeout.
    #[derive(Default)]
    struct Gone {
        sent: bool,
        reader: Option<Waker>,
    }

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.reader = Some(cx.waker().clone());
            if self.sent { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.sent = true;
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_timeout_closes_all_kept_connections_to_the_host_and_a_get_is_sent_over_a_new_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        });
        let guard = Guard::new(&url, true, Vec::<Authority>::new());
        let dialler = Dialler::new(guard, Vec::new(), Duration::from_secs(2), true);
        for _ in 0..3 {
            let gone = Connection::over(Box::new(Gone::default()), None).await.unwrap();
            dialler.pool.keep(&url.origin(), gone);
        }
        let subject = Subject { host: "registry.example".to_owned(), asked: "a test".to_owned() };
        let lost = dialler.send(Request::new(Method::POST, url.clone()), &subject).await;
        assert!(lost.is_err(), "a POST may have been read, so it is not sent again");
        assert!(dialler.pool.take(&url.origin()).is_none());

        let gone = Connection::over(Box::new(Gone::default()), None).await.unwrap();
        dialler.pool.keep(&url.origin(), gone);
        let answer = dialler.send(Request::new(Method::GET, url.clone()), &subject).await.unwrap();
        assert_eq!(answer.status().as_u16(), 204);
    }
}
