//! `/api/running/`: clusters tell what they run, so that eviction keeps it.

use http::{Method, Response, StatusCode};
use hythe_api::{Running, path};
use hythe_oci::ErrorCode;
use hythe_registry::Error;

use super::empty;
use crate::call::Call;
use crate::plane::{Body, CollectError, RequestBody};
use crate::reject::Rejection;

/// The largest body, in bytes: about 3,000 digests.
const LARGEST: usize = 256 << 10;

/// The longest name of a cluster, in bytes.
const LONGEST: usize = 128;

/// Replaces what a cluster runs.
pub(crate) async fn running_put(
    call: &Call<'_>,
    path: &str,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    if *call.method != Method::PUT {
        return Err(Rejection::method(call.method, "PUT"));
    }
    let refuse = |message: String| Rejection::parameter(ErrorCode::Unsupported, message);
    let source = path.strip_prefix(path::RUNNING).unwrap_or_default();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if source.is_empty() || source.len() > LONGEST || !source.bytes().all(is_name) {
        return Err(refuse(format!(
            "`{source}` is not the name of a cluster: write 1 to {LONGEST} letters, digits, `.`, `_` or `-`"
        )));
    }
    let collected = body.collect(LARGEST, &call.app.manifest_room).await;
    let (bytes, _part) = collected.map_err(|error| match error {
        CollectError::TooLong => refuse(format!("the body is larger than the limit of {LARGEST} bytes")),
        CollectError::Body(error) => Rejection::registry(&Error::Body(error), None),
        CollectError::Crowded => Rejection::manifests_crowded(),
    })?;
    let running: Running = serde_json::from_slice(&bytes)
        .map_err(|error| refuse(format!("the body is not a list of digests: {error}")))?;
    let stored = call.app.registry.set_running(source.to_owned(), running.digests).await;
    if !stored.map_err(|error| Rejection::registry(&error, None))? {
        let message = format!(
            "the registry already keeps the images of many other clusters, so not those of `{source}`"
        );
        return Err(Rejection::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message));
    }
    Ok(empty(StatusCode::OK))
}
