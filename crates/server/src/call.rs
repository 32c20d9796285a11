//! What a handler is given: the server, and one request.

use std::sync::Arc;

use http::Method;
use http::header::HeaderName;
use hythe_oci::Query;
use hythe_registry::Registry;

use crate::metrics::Metrics;
use crate::options::Options;

/// What every request of one server shares.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: crate::Log,
}

/// One request, with its path parsed and its right to be asked established.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) options: &'a Options,
    pub(crate) method: &'a Method,
    pub(crate) headers: &'a http::HeaderMap,
    pub(crate) query: Query<'a>,
}

impl Call<'_> {
    /// A header's value as text; what is not text counts as absent.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
