//! Reads the credentials of a request, and writes the challenge of a response that asks for them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use hythe_auth::{Credentials, Identity, Kind, Proof, Refused, Subject};
use hythe_registry::Error;

use crate::access::Wanted;
use crate::auth::{Auth, Challenge, TOKEN};
use crate::peer::Peer;
use crate::reject::Rejection;
use crate::tls::ClientCertificate;

/// The identity that a verified client certificate proves: its common name, or the whole subject without one.
fn named_by(certificate: &ClientCertificate) -> Option<Identity> {
    let name = certificate.common_name.as_ref().unwrap_or(&certificate.subject);
    let subject = Subject::new(Kind::Certificate, name).ok()?;
    Some(Identity::known(Arc::new(subject), Proof::Certificate))
}

impl Auth {
    /// The identity of the client that sends these headers. Credentials come before a client certificate.
    pub(crate) async fn identify(&self, headers: &HeaderMap, peer: &Peer) -> Result<Identity, Rejection> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(peer.certificate.as_deref().and_then(named_by).unwrap_or_else(Identity::anonymous));
        };
        let read = value.to_str().map_err(|_| Rejection::unauthorized("the credentials are not text"));
        let credentials =
            Credentials::parse(read?).map_err(|error| Rejection::unauthorized(error.to_string()))?;
        self.identify_by(&credentials, peer.address).await
    }

    /// The identity of the client that presents these credentials.
    pub(crate) async fn identify_by(
        &self,
        credentials: &Credentials,
        from: SocketAddr,
    ) -> Result<Identity, Rejection> {
        self.authenticator.identify(credentials, from.ip()).await.map_err(|refused| match &refused {
            Refused::Wrong | Refused::WrongSecret | Refused::Token(_) => {
                Rejection::unauthorized(refused.to_string())
            }
            Refused::Accounts(error) => Rejection::registry(&Error::Internal(error.to_string()), None),
            Refused::Guessing(wait) => Rejection::slow_down(refused.to_string(), *wait),
            Refused::Crowded => Rejection::slow_down(refused.to_string(), Duration::from_secs(5)),
        })
    }

    /// The value of `WWW-Authenticate` (RFC 9110, 11.6.1), for a request to this host, by TLS or not.
    pub(crate) fn challenge(&self, wanted: &Wanted, host: Option<&str>, tls: bool) -> Option<HeaderValue> {
        let (realm, service) = match &self.challenge {
            Challenge::Basic => return Some(HeaderValue::from_static("Basic realm=\"hythe\"")),
            Challenge::Token => {
                let scheme = if tls { "https" } else { "http" };
                (format!("{scheme}://{}{TOKEN}", host?), self.authenticator.tokens().service())
            }
            Challenge::TokenOf { realm, service } => (realm.clone(), service.as_str()),
        };
        let mut value = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
        if let Some(scope) = &wanted.scope {
            let _ = write!(value, ",scope=\"{scope}\"");
        }
        if wanted.narrow {
            value.push_str(",error=\"insufficient_scope\"");
        }
        // The host and the scope have only characters that the request's head may have.
        HeaderValue::try_from(value).ok()
    }
}
