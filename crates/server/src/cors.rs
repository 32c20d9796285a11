//! CORS: lets web pages of the configured origins read responses, and pages of no other origin.

use http::header::{self, HeaderMap, HeaderValue};
use hythe_oci::header::EXPOSED;

const READING: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const WRITING: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Authorization, Content-Type, Content-Range, Range, If-None-Match, Cache-Control",
);
/// HTTP's own response headers that a page may read, beside the registry API's.
const HTTP_EXPOSED: &str = ", content-length, content-range, accept-ranges, etag, link, location, range, \
    retry-after, warning, www-authenticate, x-request-id";
const HOUR: HeaderValue = HeaderValue::from_static("3600");

/// The request's origin, if the configuration allows it.
pub(crate) fn allowed_origin(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    let allowed = origins.iter().any(|known| known == "*" || origin.as_bytes() == known.as_bytes());
    allowed.then(|| origin.clone())
}

/// Whether the configuration lists the request's origin by name, not only by `*`: only such origins may write.
pub(crate) fn is_named(headers: &HeaderMap, origins: &[String]) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| {
        let origin = origin.as_bytes();
        origin != b"*" && origins.iter().any(|known| known.as_bytes() == origin)
    })
}

/// Lets a page of `origin` read the response.
pub(crate) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let mut exposed = EXPOSED.join(", ");
    exposed.push_str(HTTP_EXPOSED);
    if let Ok(exposed) = HeaderValue::try_from(exposed) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

/// Answers a preflight, which a browser sends before any cross-origin request that is not a simple one.
pub(crate) fn preflight(headers: &mut HeaderMap, may_write: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, if may_write { WRITING } else { READING });
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HOUR);
}
