//! Sends one request, if the guard allows its host.

use std::error::Error as StdError;
use std::time::Duration;

use http::header::PROXY_AUTHORIZATION;
use http_body_util::Either;
use rustls::CertificateError;
use url::Url;

use crate::cause::{find, innermost};
use crate::connector::Connector;
use crate::error::{Error, Subject};
use crate::guard::{Guard, RefusedHost, authority_of};
use crate::outgoing::Outgoing;
use crate::pool::{Pool, SendError};
use crate::remedy::Remedy;
use crate::request::Request;
use crate::response::Response;

/// Connects, and keeps connections for later requests. It creates nothing before the first request: without a request
/// it costs neither memory nor time.
pub(crate) struct Transport {
    connector: Connector,
    pool: Pool<Connector>,
    /// For requests whose body is read while it is sent.
    uploads: Pool<Connector>,
}

impl Transport {
    /// `unmoved` is how long a registry may take no byte of a body.
    pub(crate) fn new(connector: Connector, unmoved: Duration) -> Self {
        let pool = Pool::new(connector.clone());
        let uploads = Pool::new(connector.for_bodies(unmoved));
        Self { connector, pool, uploads }
    }

    pub(crate) fn guard(&self) -> &Guard {
        self.connector.guard()
    }

    /// Sends a request, and returns once the head of the answer is there; the body is still to be read. The caller
    /// follows redirects.
    pub(crate) async fn send(&self, request: Request, subject: &Subject) -> Result<Response, Error> {
        let request = self.allowed(request, subject)?;
        // Boxed: the future is large, and every future that sends a request would be as large.
        let sent = Box::pin(self.pool.send(&request, self.connector.patience())).await;
        let answer = sent.map_err(|error| failure(&error, &request.url, subject))?;
        Ok(Response::new(answer, request.url))
    }

    /// Like [`Transport::send`], with a streamed body. The request is never repeated, because the stream cannot be read
    /// a second time.
    pub(crate) async fn send_body(
        &self,
        request: Request,
        body: Outgoing,
        subject: &Subject,
    ) -> Result<Response, Error> {
        let request = self.allowed(request, subject)?;
        let watch = body.watch();
        let sent = match request.form_with(Either::Right(body)) {
            Ok(formed) => Box::pin(self.uploads.send_once(formed)).await,
            Err(error) => Err(SendError::Form(error)),
        };
        let answer = sent.map_err(|error| failure(&error, &request.url, subject))?;
        Ok(Response::to_upload(answer, request.url, watch))
    }

    /// The request with what a proxy wants of it, if the guard allows its host.
    fn allowed(&self, mut request: Request, subject: &Subject) -> Result<Request, Error> {
        self.guard().way(&request.url).map_err(|refused| refusal(&refused, subject))?;
        if let Some(authorization) = self.connector.proxy_authorization(&request.url) {
            request.headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        Ok(request)
    }
}

fn failure(error: &SendError, url: &Url, subject: &Subject) -> Error {
    if let Some(refused) = find::<RefusedHost>(error) {
        return refusal(refused, subject);
    }
    let whose = authority_of(url);
    let whose = if whose == subject.host { String::new() } else { format!("{whose}: ") };
    let is_of_unknown_authority = is_of_unknown_authority(error);
    let what = explained(error).unwrap_or_else(|| innermost(error));
    let reason = format!("{whose}{what}");
    // `unreachable` is about the endpoint itself. That a redirect's target cannot be reached says nothing about the
    // endpoint.
    let failure = if error.is_connect() && whose.is_empty() {
        subject.unreachable(reason)
    } else {
        subject.unavailable(reason)
    };
    failure.with(is_of_unknown_authority.then_some(Remedy::Authority))
}

fn refusal(refused: &RefusedHost, subject: &Subject) -> Error {
    subject.refused(refused.to_string()).with(Some(refused.remedy()))
}

/// What TLS says about the other end, if that is the cause.
pub(crate) fn explained(error: &(dyn StdError + 'static)) -> Option<String> {
    if is_of_unknown_authority(error) {
        Some("its certificate is signed by an unknown authority".to_owned())
    } else if matches!(find(error), Some(rustls::Error::InvalidMessage(_))) {
        Some("it does not speak TLS; if it serves plain HTTP, write `http://` in its endpoint".to_owned())
    } else {
        None
    }
}

fn is_of_unknown_authority(error: &(dyn StdError + 'static)) -> bool {
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    find::<rustls::Error>(error) == Some(&unknown)
}
