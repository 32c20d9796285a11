//! A request to the endpoint, and what it needs to succeed.

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, StatusCode};
use hythe_oci::RepositoryName;
use url::Url;

use crate::error::Subject;
use crate::scope::Scope;

/// A request to the endpoint.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What a token must allow. The first is for the repository that the request concerns; a request that concerns the
    /// registry as a whole has none.
    pub(crate) scopes: Vec<Scope>,
    /// The statuses that count as an answer; every other status is an error. Empty if every status is an answer.
    pub(crate) expected: &'static [StatusCode],
    /// Whether redirects are followed.
    pub(crate) follows_redirects: bool,
    /// Whether `url` is the endpoint's own. An address that another host gave gets no credentials.
    pub(crate) at_home: bool,
    pub(crate) subject: Subject,
}

impl Ask {
    /// A request without headers and body to an address of the endpoint, with 200 as the only expected status.
    pub(crate) fn new(method: Method, url: Url, scopes: Vec<Scope>, subject: Subject) -> Self {
        let (headers, body, expected) = (HeaderMap::new(), Bytes::new(), &[StatusCode::OK]);
        // A request that changes something follows no redirect: it is carried out at the address that was asked, or
        // not at all.
        let follows_redirects = reads(&method);
        Self { method, url, headers, body, scopes, expected, follows_redirects, at_home: true, subject }
    }

    /// Whether the status counts as an answer.
    pub(crate) fn expects(&self, status: StatusCode) -> bool {
        self.expected.is_empty() || self.expected.contains(&status)
    }

    /// The repository that the request concerns.
    pub(crate) fn repository(&self) -> Option<&RepositoryName> {
        self.scopes.first().map(|scope| &scope.repository)
    }

    /// Whether the request only reads.
    pub(crate) fn only_reads(&self) -> bool {
        reads(&self.method)
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
