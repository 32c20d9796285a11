//! Sends one request, to where it may be sent.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use url::Url;

use crate::connection::Request;
use crate::connector::{ConnectError, Connector};
use crate::error::{Error, Subject};
use crate::guard::{Guard, RefusedHost, Way, host_of};
use crate::pool::Pool;
use crate::response::Response;

/// What connects, and keeps connections. Nothing is made before the first request: a registry that is never asked for
/// what it has not costs neither the memory nor the time.
pub(crate) struct Dialler {
    guard: Guard,
    connector: Connector,
    pool: Arc<Pool>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("it cannot be connected to")]
    Connect(#[source] ConnectError),
    #[error("it cannot be asked for that")]
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

    /// Sends a request; its answer's body is yet to be read. Redirects are the caller's affair.
    pub(crate) async fn send(&self, request: Request, subject: &Subject) -> Result<Response, Error> {
        let way = self.guard.way(&request.url).map_err(|refused| subject.refused(refused.to_string()))?;
        // Boxed, as a connection is large, and all that asks would be.
        let mut result = Box::pin(self.exchange(&request, way, true)).await;
        if let Err(SendError::Exchange(error)) = &result
            && (was_not_sent(error) || is_idempotent(&request) && broke_unanswered(error))
        {
            result = Box::pin(self.exchange(&request, way, false)).await;
        }
        result.map_err(|error| failure(&error, &request.url, subject))
    }

    /// One try, over a kept connection if it may.
    async fn exchange(&self, request: &Request, way: Way, over_kept: bool) -> Result<Response, SendError> {
        // Where a request may go, and by way of whom, follows from its origin, and so do kept connections.
        let kept = if over_kept { self.pool.take(&request.url.origin()) } else { None };
        let mut connection = if let Some(kept) = kept {
            kept
        } else {
            let connecting = self.connector.connect(&request.url, way, &self.guard);
            connecting.await.map_err(SendError::Connect)?
        };
        let formed = connection.form(request).map_err(SendError::Form)?;
        let answer = connection.send(formed).await.map_err(SendError::Exchange)?;
        Ok(Response::new(answer, request.url.clone(), connection, Arc::clone(&self.pool)))
    }
}

fn failure(error: &SendError, url: &Url, subject: &Subject) -> Error {
    if let Some(refused) = find::<RefusedHost>(error) {
        return subject.refused(refused.to_string());
    }
    let whose = if host_of(url) == subject.host { String::new() } else { format!("{}: ", host_of(url)) };
    let what = if is_of_unknown_authority(error) {
        "nobody who is trusted vouches for its certificate; its own authority can be listed in `ca`"
            .to_owned()
    } else {
        innermost(error)
    };
    subject.unavailable(format!("{whose}{what}"))
}

fn is_idempotent(request: &Request) -> bool {
    matches!(request.method, Method::GET | Method::HEAD)
}

/// Whether a kept connection was found closed before anything of the request was written.
fn was_not_sent(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed()
}

/// A kept connection may be closed by the other side just as it is used again: the request was then never read. One
/// whose other end is silent is not tried again, as that would take the same time once more.
fn broke_unanswered(error: &hyper::Error) -> bool {
    !is_timeout(error)
}

/// Whether the system gave up waiting.
pub(crate) fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// An error and what it comes from, one after the other.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error takes what it is made of for itself, not for where it comes from.
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

/// What went wrong in the end. What stands around it says no more, and has the URL with its query, which in redirects
/// is a credential.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let error = causes(error).last().unwrap_or(error);
    match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "the connection was reset".to_owned(),
        _ => error.to_string(),
    }
}
