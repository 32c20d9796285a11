//! The pages about the registry itself: ping, discovery, health, metrics.

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::{JSON, cache, collection, content, empty};
use crate::call::Call;
use crate::plane::Body;
use crate::record::Record;
use crate::reject::Rejection;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /`: for the liveness probes of Helm charts.
pub(crate) fn root() -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// `GET /v2/`: tells that this is a registry (end-1).
pub(crate) fn base() -> Response<Body> {
    content(JSON, &b"{}"[..])
}

/// `GET /v2/_oci/ext/discover`: the empty list of extensions.
pub(crate) fn extensions() -> Response<Body> {
    content(JSON, &br#"{"extensions":[]}"#[..])
}

/// Pages outside `/v2/`.
pub(crate) async fn answer(
    call: &Call<'_>,
    path: &str,
    record: &Record,
) -> Result<Response<Body>, Rejection> {
    let page = match path {
        _ if path.starts_with(hythe_api::path::CACHE) => "cache",
        hythe_api::path::GC => "gc",
        "/healthz" | "/livez" => "health",
        "/readyz" => "ready",
        "/metrics" => "metrics",
        _ => return Err(Rejection::not_found(path)),
    };
    let _ = record.page.set(page);
    if page == "gc" {
        return collection::collect(call).await;
    }
    if page == "cache" {
        return cache::answer(call, path).await;
    }
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return Err(Rejection::method(call.method, "GET, HEAD"));
    }
    let registry = |error| Rejection::registry(&error, None);
    match page {
        "health" => Ok(content("text/plain; charset=utf-8", &b"ok\n"[..])),
        "metrics" => Ok(content(OPENMETRICS, call.app.metrics.page(&call.app.registry).map_err(registry)?)),
        _ => match call.app.registry.ready().await {
            Ok(()) => Ok(content("text/plain; charset=utf-8", &b"ready\n"[..])),
            Err(error) => Err(Rejection { status: StatusCode::SERVICE_UNAVAILABLE, ..registry(error) }),
        },
    }
}
