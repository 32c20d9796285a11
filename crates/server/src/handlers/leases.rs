//! `/api/leases`: leases, which keep local blobs from being removed.

use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Response, StatusCode};
use hythe_api::{Lease, Leases, parameter, path};
use hythe_oci::ErrorCode;

use super::{empty, json};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;
use crate::time::timestamp;

/// The most bytes of a lease's purpose, and of its holder's description.
const TEXT: usize = 200;

/// Answers a request to the list of leases, or to one lease.
pub(crate) async fn answer(call: &Call<'_>, path: &str) -> Result<Response<Body>, Rejection> {
    let id = path.strip_prefix(path::LEASES).unwrap_or_default().trim_start_matches('/');
    match (id, call.method) {
        ("", &(Method::GET | Method::HEAD)) => lease_list(call).await,
        ("", &Method::POST) => lease_take(call).await,
        ("", method) => Err(Rejection::method(method, "GET, HEAD, POST")),
        (id, &Method::PUT) => lease_renew(call, id).await,
        (id, &Method::DELETE) => lease_release(call, id).await,
        (_, method) => Err(Rejection::method(method, "PUT, DELETE")),
    }
}

async fn lease_list(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let leases = call.app.registry.leases().await.map_err(|error| failed(&error))?;
    Ok(json(&Leases { leases: leases.into_iter().map(lease_of).collect() }))
}

async fn lease_take(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let (purpose, holder) = (text(call, parameter::PURPOSE)?, text(call, parameter::HOLDER)?);
    let taken = call.app.registry.take_lease(&purpose, &holder).await.map_err(|error| failed(&error))?;
    taken.map(|lease| json(&lease_of(lease))).ok_or_else(|| {
        let most = hythe_registry::Lease::MOST;
        let message = format!(
            "{most} leases live, and no more may; each ends by itself within ten minutes of its last renewal"
        );
        Rejection::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
    })
}

async fn lease_renew(call: &Call<'_>, id: &str) -> Result<Response<Body>, Rejection> {
    let renewed = call.app.registry.renew_lease(id).await.map_err(|error| failed(&error))?;
    renewed.map(|lease| json(&lease_of(lease))).ok_or_else(ended)
}

async fn lease_release(call: &Call<'_>, id: &str) -> Result<Response<Body>, Rejection> {
    let released = call.app.registry.release_lease(id).await.map_err(|error| failed(&error))?;
    if released { Ok(empty(StatusCode::NO_CONTENT)) } else { Err(ended()) }
}

fn failed(error: &hythe_registry::Error) -> Rejection {
    Rejection::registry(error, None)
}

fn ended() -> Rejection {
    let message = "no such lease lives: it was released, or was not renewed in time";
    Rejection::new(StatusCode::NOT_FOUND, ErrorCode::Unsupported, message)
}

/// A parameter that describes a lease.
fn text(call: &Call<'_>, name: &str) -> Result<String, Rejection> {
    let text = call.query.first(name).unwrap_or_default();
    let is_plain = !text.is_empty() && text.len() <= TEXT && !text.chars().any(char::is_control);
    if is_plain {
        return Ok(text.into_owned());
    }
    let message = format!("parameter `{name}` must have 1 to {TEXT} bytes of text");
    Err(Rejection::parameter(ErrorCode::Unsupported, message))
}

fn lease_of(lease: hythe_registry::Lease) -> Lease {
    let hythe_registry::Lease { id, purpose, holder, until, ends } = lease;
    Lease { id, purpose, holder, until: written(until), ends: written(ends) }
}

/// A time of the catalog in RFC 3339's format.
pub(super) fn written(millis: i64) -> Option<String> {
    timestamp(UNIX_EPOCH.checked_add(Duration::from_millis(millis.max(0).cast_unsigned()))?)
}
