//! What a handler is given: the server, and one request.

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response};
use hythe_oci::Query;
use hythe_registry::Registry;
use hythe_upstream::{Cache, Copy, Freshness, Via};

use crate::manifest_room::ManifestRoom;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plane::Body;
use crate::record::Record;

/// What every request of one server shares.
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) cache: Cache,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: crate::Log,
    pub(crate) manifest_room: ManifestRoom,
}

/// One request, with its path parsed and its right to be asked established.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) options: &'a Options,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a http::HeaderMap,
    pub(crate) query: Query<'a>,
    pub(crate) record: &'a Record,
    /// Over what it came.
    pub(crate) via: Via,
    /// Whether a web page of another origin made it: what it asks for is not fetched.
    pub(crate) foreign: bool,
}

/// How an answer of the cache came about, in a word.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

impl Call<'_> {
    /// A header's value as text; what is not text counts as absent.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Says in the answer and in the log where a copy's content comes from.
    pub(crate) fn tell(&self, response: &mut Response<Body>, copy: &Copy, freshness: &Freshness) {
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

/// What whoever gets an answer that may be out of date should know of it.
fn warning(freshness: &Freshness) -> Option<String> {
    match freshness {
        Freshness::Hit | Freshness::Miss | Freshness::Revalidated => None,
        Freshness::Stale { why, age: Some(age) } => {
            Some(format!("this copy was last confirmed {} s ago: {why}", age.as_secs()))
        }
        Freshness::Stale { why, age: None } => {
            Some(format!("this copy was last confirmed before this registry was started: {why}"))
        }
        Freshness::Part { why } => Some(format!("these are only the ones that are kept here: {why}")),
    }
}

/// What may stand within quotes in a header, and not too much of it (distribution-spec, Warnings).
pub(crate) fn quotable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { ' ' })
        .take(1000)
        .collect()
}
