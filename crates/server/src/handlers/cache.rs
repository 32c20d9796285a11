//! `/api/cache/`: lists and clears copies of upstreams' repositories, and shows the state of upstreams.

use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Response};
use hythe_api::{Budget, Cleared, Copies, CopyEntry, Statistics, Upstream, Upstreams, parameter, path};
use hythe_oci::{Authority, ErrorCode, ImagePattern};
use hythe_registry::CopySummary;
use hythe_upstream::Status;

use super::json;
use super::listings::page_size;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;
use crate::time::timestamp;

/// The most copies on one page, each with its tags.
const PAGE: usize = 100;

/// The pages below `/api/cache/`.
pub(crate) async fn answer(call: &Call<'_>, path: &str) -> Result<Response<Body>, Rejection> {
    let read = matches!(*call.method, Method::GET | Method::HEAD);
    match path {
        path::COPIES if read => copy_list(call).await,
        path::COPIES if *call.method == Method::DELETE => copy_delete(call).await,
        path::COPIES => Err(Rejection::method(call.method, "GET, HEAD, DELETE")),
        path::UPSTREAMS if read => Ok(upstream_list(call)),
        path::UPSTREAMS => Err(Rejection::method(call.method, "GET, HEAD")),
        _ => Err(Rejection::not_found(path)),
    }
}

/// Lists copies, a page at a time.
async fn copy_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let pattern = pattern(call)?.unwrap_or_else(ImagePattern::any);
    let limit = page_size(call, PAGE)?;
    let last = call.query.first(parameter::LAST);
    let visible = call.scope.visible();
    let page = call.app.registry.copies(&pattern, last.as_deref(), limit, &visible).await;
    let page = page.map_err(|error| Rejection::registry(&error, None))?;
    let next = page.items.last().filter(|_| page.more).map(|copy| copy.name.clone());
    Ok(json(&Copies { copies: page.items.into_iter().map(copy).collect(), next }))
}

/// Clears the copies that match a pattern. The pattern is required, so that a forgotten parameter cannot clear
/// everything.
async fn copy_delete(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let pattern = pattern(call)?.ok_or_else(|| {
        let message =
            "parameter `pattern` is missing; give the copies to clear, such as `docker.io/*`, or `*` for all";
        Rejection::parameter(ErrorCode::Unsupported, message)
    })?;
    let visible = call.scope.visible();
    let cleared = call.app.registry.clear_copies(&pattern, &visible).await;
    let cleared = cleared.map_err(|error| Rejection::registry(&error, None))?;
    tracing::info!(
        copies = cleared.copies,
        tags = cleared.tags,
        manifests = cleared.manifests,
        blobs = cleared.blobs,
        bytes = cleared.bytes,
        "cleared the cache on request"
    );
    Ok(json(&Cleared {
        copies: cleared.copies,
        tags: cleared.tags,
        manifests: cleared.manifests,
        blobs: cleared.blobs,
        bytes: cleared.bytes,
    }))
}

/// The state of upstreams: of the configured ones, and of others that were asked since the start; or of the one that
/// `name` means.
fn upstream_list(call: &Call<'_>) -> Response<Body> {
    let allowed = call.app.cache.allowed();
    let mut asked = call.app.cache.status();
    let mut all: Vec<(Authority, Upstream)> = Vec::new();
    for upstream in allowed.all() {
        let at = asked.iter().position(|status| status.upstream == upstream.name);
        let status = at.map(|at| asked.swap_remove(at));
        all.push((upstream.name.clone(), describe(&upstream.name, &upstream.endpoints, true, status)));
    }
    // Upstreams that were removed from the configuration since the start, and `other`, which counts all that only
    // clients name.
    all.extend(asked.into_iter().map(|status| {
        let name = status.upstream.clone();
        let may_be = allowed.allows_any() && name.to_string() == hythe_upstream::Upstream::OTHERS;
        (name.clone(), describe(&name, &[], may_be, Some(status)))
    }));
    if let Some(name) = call.query.first(parameter::NAME) {
        let meant = name.parse().ok().and_then(|name| allowed.get(&name));
        all.retain(|(name, _)| meant.is_some_and(|meant| meant.name == *name));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    json(&Upstreams { upstreams: all.into_iter().map(|(_, upstream)| upstream).collect() })
}

/// The request's pattern; an empty one counts as absent.
fn pattern(call: &Call<'_>) -> Result<Option<ImagePattern>, Rejection> {
    let Some(text) = call.query.first(parameter::PATTERN).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let pattern = text.parse().map_err(|error| {
        Rejection::parameter(ErrorCode::Unsupported, format!("parameter `pattern`: {error}"))
    });
    pattern.map(Some)
}

fn copy(copy: CopySummary) -> CopyEntry {
    let last_use = UNIX_EPOCH.checked_add(Duration::from_millis(copy.last_use.max(0).cast_unsigned()));
    CopyEntry {
        name: copy.name,
        upstream: copy.provenance.origin.to_string(),
        tags: copy.tags,
        tag_count: copy.tag_count,
        manifests: copy.manifests,
        blobs: copy.blobs,
        bytes: copy.bytes,
        last_use: timestamp(last_use.unwrap_or(UNIX_EPOCH)),
    }
}

fn describe(name: &Authority, endpoints: &[String], allowed: bool, status: Option<Status>) -> Upstream {
    Upstream {
        name: name.to_string(),
        endpoints: endpoints.to_vec(),
        allowed,
        asked: status.is_some(),
        statistics: status.map(statistics),
    }
}

fn statistics(status: Status) -> Statistics {
    let budget = status.budget.map(|budget| Budget {
        limit: budget.limit,
        remaining: budget.remaining,
        window_seconds: budget.window.map(|window| window.as_secs()),
        source: budget.source,
        seen: timestamp(budget.seen),
    });
    Statistics {
        requests: status.requests,
        errors: status.errors,
        waited_seconds: status.waited.as_secs_f64(),
        hits: status.hits,
        misses: status.misses,
        revalidated: status.revalidated,
        stale: status.stale,
        fetched_bytes: status.fetched,
        saved_bytes: status.saved,
        resting: status.resting,
        failing: status.failing,
        budget,
    }
}
