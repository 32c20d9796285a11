//! Sends one request, to where it may be sent.

use std::error::Error as StdError;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, Request, Response, Url};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;

use crate::error::{Error, Subject};
use crate::guard::{Guard, RefusedHost, Way, host_of};
use crate::resolver::{GuardedResolver, Resolver};
use crate::roots;

/// How long a connection is kept for the next request, and how many to one host: a pull asks for a handful of blobs at
/// once, then for nothing.
const IDLE: Duration = Duration::from_mins(1);
const IDLE_CONNECTIONS: usize = 8;

const USER_AGENT: &str = concat!("hythe/", env!("CARGO_PKG_VERSION"));

/// What connects. Nothing is made before the first request: a registry that is never asked for what it has not costs
/// neither the memory nor the time.
pub(crate) struct Dialler {
    guard: Guard,
    authorities: Vec<CertificateDer<'static>>,
    connect_timeout: Duration,
    direct: bool,
    resolver: Resolver,
    named: Slots,
    guarded: Slots,
}

/// Clients of one way, once they were needed.
#[derive(Default)]
struct Slots {
    plain: Mutex<Option<reqwest::Client>>,
    tls: Mutex<Option<reqwest::Client>>,
}

impl Dialler {
    pub(crate) fn new(
        guard: Guard,
        authorities: Vec<CertificateDer<'static>>,
        connect_timeout: Duration,
        direct: bool,
    ) -> Self {
        Self {
            guard,
            authorities,
            connect_timeout,
            direct,
            resolver: Resolver::new(connect_timeout),
            named: Slots::default(),
            guarded: Slots::default(),
        }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a request; its answer's body is yet to be read. Redirects are the caller's affair.
    pub(crate) async fn send(&self, request: Request, subject: &Subject) -> Result<Response, Error> {
        let url = request.url().clone();
        let way = self.guard.way(&url).map_err(|refused| subject.refused(refused.to_string()))?;
        let client = self.client(way, is_tls(&url)).map_err(|reason| subject.unavailable(reason))?;
        let again = idempotent(&request).then(|| request.try_clone()).flatten();
        let mut result = client.execute(request).await;
        if let (Err(error), Some(again)) = (&result, again)
            && broke_unanswered(error)
        {
            result = client.execute(again).await;
        }
        result.map_err(|error| self.failure(&error, &url, subject))
    }

    /// One client for each way, as it is the resolver that is guarded, and it is not told the port; and one without
    /// authorities, because to read those takes longer than an upstream on the same machine takes to answer.
    fn client(&self, way: Way, tls: bool) -> Result<reqwest::Client, String> {
        let slots = match way {
            Way::Named => &self.named,
            Way::Guarded => &self.guarded,
        };
        let slot = if tls { &slots.tls } else { &slots.plain };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(client) => Ok(client.clone()),
            None => Ok(slot.insert(self.make(way, tls)?).clone()),
        }
    }

    fn make(&self, way: Way, tls: bool) -> Result<reqwest::Client, String> {
        let tls = if tls { roots::tls(&self.authorities)? } else { roots::no_tls()? };
        let resolver = GuardedResolver { resolver: self.resolver.clone(), guard: self.guard.clone(), way };
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tls_backend_preconfigured(tls)
            .dns_resolver(resolver);
        let builder = if self.direct { builder.no_proxy() } else { builder };
        // A kept connection whose other end is gone is noticed as soon as one that cannot be made.
        #[cfg(target_os = "linux")]
        let builder = builder.tcp_user_timeout(self.connect_timeout);
        builder.build().map_err(|error| innermost(&error))
    }

    fn failure(&self, error: &reqwest::Error, url: &Url, subject: &Subject) -> Error {
        if let Some(refused) = find::<RefusedHost>(error) {
            return subject.refused(refused.to_string());
        }
        let whose = if host_of(url) == subject.host { String::new() } else { format!("{}: ", host_of(url)) };
        let what = if error.is_timeout() && error.is_connect() {
            format!("no connection within {:?}", self.connect_timeout)
        } else if is_of_unknown_authority(error) {
            "nobody who is trusted vouches for its certificate; its own authority can be listed in `ca`"
                .to_owned()
        } else {
            innermost(error)
        };
        subject.unavailable(format!("{whose}{what}"))
    }
}

/// Whether authorities are needed to ask `url`: a proxy may be one that speaks TLS, whatever is asked through it.
fn is_tls(url: &Url) -> bool {
    const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    url.scheme() != "http" || PROXIES.iter().any(|name| std::env::var_os(name).is_some())
}

fn idempotent(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// A kept connection may be closed by the other side just as it is used again: the request was then never read. One
/// whose other end is silent is not tried again, as that would take the same time once more.
fn broke_unanswered(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
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

fn find<T: StdError + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn is_of_unknown_authority(error: &reqwest::Error) -> bool {
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
