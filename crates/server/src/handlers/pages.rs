//! The pages about the registry itself: ping, discovery, health, metrics.

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::{
    JSON, accounts, backup, cache, collection, content, deleted, disk, empty, leases, retention, running,
    verification,
};
use crate::access::Page;
use crate::call::Call;
use crate::plane::{Body, RequestBody};
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
    page: Page,
    path: &str,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let _ = call.record.page.set(page.kind());
    let registry = |error| Rejection::registry(&error, None);
    match page {
        Page::Collection => collection::collect(call).await,
        Page::Backup => backup::record_list(call).await,
        Page::Leases => leases::answer(call, path).await,
        Page::Verification => verification::verify(call).await,
        Page::Retention => retention::answer(call).await,
        Page::Disk => disk::disk_get(call).await,
        Page::Running => running::running_put(call, path, body).await,
        Page::Cache => cache::answer(call, path).await,
        Page::Deleted => deleted::answer(call, path).await,
        Page::Users => accounts::answer_users(call, path, body).await,
        Page::Tokens => accounts::answer_tokens(call, path).await,
        // Answered by the token server, which needs the client's address.
        Page::Token => Err(Rejection::not_found(path)),
        Page::Health | Page::Metrics | Page::Ready if !matches!(*call.method, Method::GET | Method::HEAD) => {
            Err(Rejection::method(call.method, "GET, HEAD"))
        }
        Page::Health => Ok(content("text/plain; charset=utf-8", &b"ok\n"[..])),
        Page::Metrics => {
            Ok(content(OPENMETRICS, call.app.metrics.page(&call.app.registry).await.map_err(registry)?))
        }
        Page::Ready => match call.app.registry.ready().await {
            Ok(()) => Ok(content("text/plain; charset=utf-8", &b"ready\n"[..])),
            Err(error) => Err(Rejection { status: StatusCode::SERVICE_UNAVAILABLE, ..registry(error) }),
        },
    }
}
