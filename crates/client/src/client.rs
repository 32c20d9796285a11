//! A client of one endpoint.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use http::Method;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use hythe_oci::RepositoryName;
use parking_lot::Mutex;
use url::Url;

use crate::ask::Ask;
use crate::budget::Budget;
use crate::connector::Connector;
use crate::endpoint;
use crate::error::Subject;
use crate::guard::{Guard, authority_of};
use crate::options::{ClientOptions, ConfigError};
use crate::room::Room;
use crate::roots;
use crate::scope::Scope;
use crate::tokens::Tokens;
use crate::transport::Transport;

/// A client of one endpoint of a registry. Its clones share connections and tokens.
///
/// It connects to public addresses, to the endpoint's own host (unless `public_only` is set), and to the hosts in
/// `private_hosts`, wherever the registry or a name server points. It follows redirects. It sends credentials only to
/// the endpoint and its token server.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    endpoint: String,
    pub(crate) url: Url,
    pub(crate) head_timeout: Duration,
    pub(crate) progress_timeout: Duration,
    pub(crate) transport: Transport,
    pub(crate) tokens: Tokens,
    pub(crate) only_if_cached: bool,
    pub(crate) loads: bool,
    pub(crate) lists: Room,
    pub(crate) manifests: Room,
    /// The largest page of tags that the registry has accepted a request for; 0 if it accepts no page size.
    pub(crate) tags_at_once: AtomicUsize,
    budget: Mutex<Option<Budget>>,
}

impl Client {
    /// Creates a client without connecting. It reads the certificate authorities of the options at once, and those of
    /// the system with the first request.
    pub fn new(options: ClientOptions) -> Result<Self, ConfigError> {
        let url = endpoint::parse(&options.endpoint)?;
        let authorities = roots::read(&options.ca)?;
        let guard = Guard::new(&url, !options.public_only, options.private_hosts);
        let connector = Connector::new(guard, authorities, options.connect_timeout, options.direct);
        Ok(Self(Arc::new(Inner {
            tokens: Tokens::new(&url, options.credentials)?,
            transport: Transport::new(connector, options.head_timeout.max(options.progress_timeout)),
            only_if_cached: options.only_if_cached,
            loads: options.loads,
            lists: options.lists,
            manifests: options.manifests,
            tags_at_once: AtomicUsize::new(usize::MAX),
            endpoint: options.endpoint,
            url,
            head_timeout: options.head_timeout,
            progress_timeout: options.progress_timeout,
            budget: Mutex::default(),
        })))
    }

    /// The endpoint, as the options give it.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// The rate limit in the registry's last answer that had one; `None` before that.
    pub fn budget(&self) -> Option<Budget> {
        self.0.budget.lock().clone()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.0.endpoint).finish_non_exhaustive()
    }
}

impl Inner {
    /// The URL of a path of the API.
    pub(crate) fn at(&self, path: &str) -> Url {
        endpoint::at(&self.url, path)
    }

    /// The name by which the registry knows a repository.
    pub(crate) fn name_at(&self, repository: &RepositoryName) -> String {
        endpoint::name_at(&self.url, repository)
    }

    pub(crate) fn subject(&self, asked: impl Into<String>) -> Subject {
        Subject { host: authority_of(&self.url), asked: asked.into() }
    }

    /// A GET request for a path, with 200 as the only expected status.
    pub(crate) fn get(
        &self,
        path: &str,
        repository: &RepositoryName,
        accept: &'static str,
        asked: impl Into<String>,
    ) -> Ask {
        let mut ask =
            Ask::new(Method::GET, self.at(path), vec![Scope::pull(repository)], self.subject(asked));
        ask.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        ask
    }

    pub(crate) fn remember_budget(&self, headers: &HeaderMap) {
        if let Some(budget) = Budget::read(headers) {
            *self.budget.lock() = Some(budget);
        }
    }
}
