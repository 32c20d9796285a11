//! What each handler receives: the server, and one request.

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response};
use hythe_lifecycle::retention::Retainer;
use hythe_lifecycle::{Collector, Evictor, Verifier};
use hythe_oci::{Digest, Query, RepositoryName};
use hythe_registry::{MountFrom, Provenance, Registry, Repository};
use hythe_upstream::{Cache, Freshness, RepositoryCopy};
use tokio::sync::Semaphore;

use crate::access::{Judge, Scope, Silence};
use crate::manifest_room::ManifestRoom;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::plane::Body;
use crate::record::Record;

/// The parts of a server that all its requests share.
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) collector: Collector,
    pub(crate) verifier: Verifier,
    pub(crate) retainer: Retainer,
    pub(crate) evictor: Evictor,
    pub(crate) cache: Cache,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: crate::Log,
    pub(crate) manifest_room: ManifestRoom,
    /// The answers with all records of the catalog that may exist at the same time: each has a file.
    pub(crate) exports: Arc<Semaphore>,
}

/// One request that is allowed, and how far.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) options: &'a ServerOptions,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a http::HeaderMap,
    pub(crate) query: Query<'a>,
    pub(crate) record: &'a Record,
    /// The content that the client may have.
    pub(crate) scope: Scope,
    /// Why no upstream is asked for this request, if so.
    pub(crate) silent: Option<Silence>,
    /// The blob to mount, and where it may come from.
    pub(crate) mount: Option<(Digest, MountFrom)>,
    /// The provenance of what the request writes.
    pub(crate) writes: Provenance,
    /// The client's identity and the rules; `None` if the registry does not authenticate clients.
    pub(crate) judge: Option<Judge<'a>>,
}

/// The header that says how the cache produced a response, in one word.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

impl Call<'_> {
    /// A repository of this registry; what is written into it gets the provenance of this request's content.
    pub(crate) fn repository<'r>(&'r self, name: &'r RepositoryName) -> Repository<'r> {
        let may_retag = self.judge.is_none_or(|judge| judge.may_retag(name));
        self.app.registry.copy(name, &self.writes.origin).private(self.writes.private).retag(may_retag)
    }

    /// A header's value as text; `None` also for a value that is not text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// States in the response and in the log where a copy's content comes from.
    pub(crate) fn tell(&self, response: &mut Response<Body>, copy: &RepositoryCopy, freshness: &Freshness) {
        let word = match freshness {
            Freshness::Hit => "hit",
            Freshness::Miss => "miss",
            Freshness::Revalidated => "revalidated",
            Freshness::Stale { .. } | Freshness::Part { .. } => "stale",
        };
        let _ = self.record.cache.set((word, copy.upstream().to_string()));
        let headers = response.headers_mut();
        headers.insert(X_CACHE, HeaderValue::from_static(word));
        if let Some(warning) = warning(freshness) {
            let warning = format!("299 - \"{}\"", quotable(&warning));
            headers.extend(HeaderValue::try_from(warning).map(|warning| (header::WARNING, warning)));
        }
    }
}

/// The warning for a response that may be out of date or incomplete.
fn warning(freshness: &Freshness) -> Option<String> {
    match freshness {
        Freshness::Hit | Freshness::Miss | Freshness::Revalidated => None,
        Freshness::Stale { why, age: Some(age) } => {
            let age = age.as_secs();
            Some(format!("the upstream confirmed this copy {age} s ago and could not confirm it now: {why}"))
        }
        Freshness::Stale { why, age: None } => {
            Some(format!("the upstream has not confirmed this copy since the registry started: {why}"))
        }
        Freshness::Part { why } => {
            Some(format!("this list may be incomplete; it has only what is in the cache: {why}"))
        }
    }
}

/// The first 1000 characters of `text` for a quoted header value; other than visible ASCII becomes a space
/// (distribution-spec, Warnings).
pub(crate) fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { ' ' })
        .take(1000)
        .collect()
}
