//! The handlers of the endpoints. A handler's name is a noun and a verb.

pub(crate) mod accounts;
pub(crate) mod backup;
pub(crate) mod blobs;
pub(crate) mod cache;
pub(crate) mod collection;
pub(crate) mod copies;
pub(crate) mod deleted;
pub(crate) mod disk;
pub(crate) mod leases;
pub(crate) mod listings;
pub(crate) mod manifests;
mod multipart;
pub(crate) mod pages;
pub(crate) mod retention;
pub(crate) mod running;
pub(crate) mod token;
pub(crate) mod uploads;
pub(crate) mod verification;

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hythe_oci::header::DOCKER_CONTENT_DIGEST;
use hythe_oci::{Digest, ErrorCode};
use serde::Serialize;

use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

const JSON: &str = "application/json; charset=utf-8";

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response with a body of this type.
fn content(media_type: &'static str, bytes: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::bytes(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A response with a value as JSON.
fn json(value: &impl Serialize) -> Response<Body> {
    // Serialising can only fail for a map whose keys are not text, and none of these types has a map.
    content(JSON, serde_json::to_vec(value).unwrap_or_default())
}

/// A parameter that is on or off; off if it is missing.
fn switch(call: &Call<'_>, name: &str) -> Result<bool, Rejection> {
    match call.query.first(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let message = format!("parameter `{name}` must be true or false");
            Err(Rejection::parameter(ErrorCode::Unsupported, message))
        }
    }
}

/// Adds a header whose value the server makes: a path, a digest or a number.
fn set(response: &mut Response<Body>, name: HeaderName, value: String) {
    // Paths, digests and numbers are visible ASCII by their types.
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().append(name, value);
    }
}

fn set_digest(response: &mut Response<Body>, digest: &Digest) {
    set(response, HeaderName::from_static(DOCKER_CONTENT_DIGEST), digest.to_string());
}

/// Whether `If-None-Match` names the content of `digest`: quoted, weak, bare, in a list, or as `*`.
fn already_has(if_none_match: Option<&str>, digest: &Digest) -> bool {
    if_none_match.is_some_and(|tags| {
        let digest = digest.to_string();
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"'))
            .any(|tag| tag == "*" || tag == digest)
    })
}
