//! Each error's status and code, in one table.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use hythe_oci::{EndpointError, ErrorCode, QueryError, path};
use hythe_registry::Error;
use hythe_upstream::Error as Upstream;
use serde_json::{Value, json};

use crate::call::quotable;
use crate::plane::Body;

/// The `Retry-After` for an upstream that does not say when to ask it again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The longest reason phrase in a status line, in bytes.
const REASON: usize = 240;

/// The most digests that an error lists: a manifest may lack tens of thousands.
const DIGESTS: usize = 100;

/// An error response: its status, code, message and headers.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) detail: Option<Value>,
    pub(crate) headers: Vec<(header::HeaderName, HeaderValue)>,
    /// The message for the log, where the client must not see the cause.
    pub(crate) for_log: Option<String>,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, headers: Vec::new(), for_log: None }
    }

    /// The code and the message for the log.
    pub(crate) fn logged(&self) -> String {
        format!("{}: {}", self.code, self.for_log.as_ref().unwrap_or(&self.message))
    }

    fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn with_header(mut self, name: header::HeaderName, value: String) -> Self {
        // The values are paths and numbers that the server makes; an invalid header value is left out.
        self.headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
        self
    }

    /// Repeats the message in a `Warning` header: the response to a HEAD has no body for it.
    pub(crate) fn with_warning(self) -> Self {
        let warning = format!("299 - \"{}\"", quotable(&self.message));
        self.with_header(header::WARNING, warning)
    }

    /// The path names no resource of this registry.
    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorCode::Unsupported,
            format!("`{path}` is not a path of this registry"),
        )
    }

    /// The resource does not support the method.
    pub(crate) fn method(method: &Method, allow: &'static str) -> Self {
        let message = format!("method {method} is not supported here; use {allow}");
        let mut rejection = Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message);
        rejection.headers.push((header::ALLOW, HeaderValue::from_static(allow)));
        rejection
    }

    /// The path and the headers are together larger than `limit` bytes.
    pub(crate) fn head_too_large(limit: usize) -> Self {
        let message =
            format!("the request's path and headers exceed {limit} bytes together (`http.max-header-size`)");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode::Unsupported, message)
    }

    /// The manifests that are being received take up all of their memory.
    pub(crate) fn manifests_crowded() -> Self {
        let message =
            "other manifests that are being pushed use all memory for manifests; try again in a few seconds";
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
            .with_header(header::RETRY_AFTER, "5".to_owned())
    }

    /// A parameter or header is malformed.
    pub(crate) fn parameter(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::bad(code, message)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let reason = self.reason();
        let mut response = Response::new(Body::bytes(self.code.body(self.message, self.detail)));
        *response.status_mut() = self.status;
        if let Some(reason) = reason {
            response.extensions_mut().insert(reason);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

impl Rejection {
    /// The reason phrase of a server error: its status and message. Docker and containerd print the status line of a
    /// 5xx response, not its body.
    fn reason(&self) -> Option<ReasonPhrase> {
        let status = self.status.canonical_reason().filter(|_| self.status.is_server_error())?;
        let text = format!("{status}: {}", self.message);
        let is_plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
        let text: String = text.chars().take_while(is_plain).take(REASON).collect();
        ReasonPhrase::try_from(text.into_bytes()).ok()
    }
}

impl From<QueryError> for Rejection {
    fn from(error: QueryError) -> Self {
        Self::bad(ErrorCode::Unsupported, error.to_string())
    }
}

impl Rejection {
    /// A path that could not be parsed.
    pub(crate) fn endpoint(error: &EndpointError) -> Self {
        let status = match error {
            EndpointError::NotFound { .. } | EndpointError::UploadId(_) => StatusCode::NOT_FOUND,
            EndpointError::Name(_) | EndpointError::Reference(_) | EndpointError::Digest(_) => {
                StatusCode::BAD_REQUEST
            }
        };
        Self::new(status, error.code(), error.to_string())
    }

    /// An error of the registry. `at` is the requested repository; some responses name it in `Location`.
    pub(crate) fn registry(error: &Error, at: Option<&hythe_oci::RepositoryName>) -> Self {
        let message = error.to_string();
        match error {
            Error::NameUnknown(_) => Self::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message),
            Error::BlobUnknown { digest, .. } => {
                let mut rejection = Self::new(StatusCode::NOT_FOUND, ErrorCode::BlobUnknown, message);
                rejection.detail = Some(json!({ "digest": digest }));
                rejection
            }
            Error::ManifestUnknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown, message)
            }
            Error::UploadUnknown(_) => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::BlobUploadUnknown, message)
            }
            Error::DigestMismatch { .. } => Self::bad(ErrorCode::DigestInvalid, message),
            Error::ManifestInvalid(invalid) => Self::bad(invalid.code(), message),
            Error::ManifestTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid, message)
            }
            Error::ManifestBlobsUnknown { digests, .. } => {
                let mut rejection = Self::bad(ErrorCode::ManifestBlobUnknown, message);
                rejection.detail = Some(json!({ "digests": &digests[..digests.len().min(DIGESTS)] }));
                rejection
            }
            Error::ChunkOutOfOrder { offset, id, .. } => {
                let rejection =
                    Self::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid, message);
                let rejection =
                    rejection.with_header(header::RANGE, format!("0-{}", offset.saturating_sub(1)));
                match at {
                    Some(name) => rejection.with_header(header::LOCATION, path::upload(name, id)),
                    None => rejection,
                }
            }
            Error::ChunkLength { .. } => Self::bad(ErrorCode::SizeInvalid, message),
            Error::UploadTakenOver(_) => {
                Self::new(StatusCode::CONFLICT, ErrorCode::BlobUploadInvalid, message)
            }
            Error::TooManyUploads { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
                    .with_header(header::RETRY_AFTER, "1".to_owned())
            }
            Error::DeleteDisabled => {
                Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
            }
            Error::OtherOrigin { .. } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message),
            Error::NoSpace(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable, message),
            Error::Body(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::BlobUploadInvalid, message)
            }
            Error::Body(_) => Self::bad(ErrorCode::BlobUploadInvalid, message),
            Error::Internal(_) => {
                let told = "the error is in the registry, not in the request; to find the cause, search the registry's \
                            log for this response's X-Request-Id";
                let rejection = Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown, told);
                Self { for_log: Some(message), ..rejection }
            }
        }
    }
}

impl Rejection {
    /// An upstream's error. `unknown` is the code if the upstream does not have the requested content. No status is
    /// 401, which asks the client for credentials, or 429, after which containerd tries again at once.
    pub(crate) fn upstream(error: &Upstream, unknown: ErrorCode) -> Self {
        use hythe_upstream::Failure;

        let message = error.to_string();
        let later = |after: Option<Duration>| {
            let seconds = after.unwrap_or(RETRY_AFTER).as_secs().max(1);
            Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message.clone())
                .with_header(header::RETRY_AFTER, seconds.to_string())
        };
        match error {
            // The repository holds pushed content: that is not the upstream's, and the upstream's cannot be kept beside
            // it.
            Upstream::Registry(error) => match &**error {
                Error::OtherOrigin { .. } => Self::new(StatusCode::NOT_FOUND, unknown, message),
                Error::TooManyUploads { .. } => later(Some(Duration::from_secs(1))),
                error => Self::registry(error, None),
            },
            Upstream::Upstream { error, .. } => match error {
                Failure::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, unknown, message),
                Failure::Denied { .. } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message),
                Failure::RateLimited { retry_after, .. } => later(*retry_after),
                Failure::Unavailable { .. } | Failure::Refused { .. } | Failure::Protocol { .. } => {
                    Self::new(StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message)
                }
            },
            Upstream::NotShared { .. } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message),
            Upstream::Crowded { .. } => later(Some(Duration::from_secs(1))),
            Upstream::Resting { again, .. } => later(Some(*again)),
            Upstream::Wrong { .. } => Self::new(StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message),
            // RFC 9111, 5.2.1.7: the status of a cache that must not ask its upstream.
            Upstream::Offline { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Unavailable, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use hythe_oci::{Digest, DigestError, Endpoint, ManifestError, RepositoryName, UploadId};

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn name() -> RepositoryName {
        "some/app".parse().unwrap()
    }

    fn digest() -> Digest {
        format!("sha256:{HEX}").parse().unwrap()
    }

    fn id() -> UploadId {
        ID.parse().unwrap()
    }

    #[test]
    fn the_status_line_of_a_server_error_has_its_message() {
        let reason = |status: u16, message: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let response = Rejection::new(status, ErrorCode::Unavailable, message).into_response();
            response
                .extensions()
                .get::<ReasonPhrase>()
                .map(|reason| String::from_utf8(reason.as_bytes().to_vec()).unwrap())
        };
        let full = "Insufficient Storage: the registry's disk is full";
        assert_eq!(reason(507, "the registry's disk is full").as_deref(), Some(full));
        // A line break would start a header.
        assert_eq!(reason(502, "first\r\nX-Evil: 1").as_deref(), Some("Bad Gateway: first"));
        assert_eq!(reason(502, &"x".repeat(999)).map(|reason| reason.len()), Some(REASON));
        assert_eq!(reason(404, "no such manifest"), None);
    }

    /// The number of an error's row in `table`. The exhaustive match makes a new variant fail to compile until it has a
    /// number, and the test then requires its row.
    fn variant(error: &Error) -> usize {
        match error {
            Error::NameUnknown(_) => 0,
            Error::BlobUnknown { .. } => 1,
            Error::ManifestUnknown { .. } => 2,
            Error::UploadUnknown(_) => 3,
            Error::DigestMismatch { .. } => 4,
            Error::ManifestInvalid(_) => 5,
            Error::ManifestTooLarge { .. } => 6,
            Error::ManifestBlobsUnknown { .. } => 7,
            Error::ChunkOutOfOrder { .. } => 8,
            Error::ChunkLength { .. } => 9,
            Error::UploadTakenOver(_) => 10,
            Error::TooManyUploads { .. } => 11,
            Error::DeleteDisabled => 12,
            Error::NoSpace(_) => 13,
            Error::Body(_) => 14,
            Error::Internal(_) => 15,
            Error::OtherOrigin { .. } => 16,
        }
    }

    const VARIANTS: usize = 17;

    /// Each error, its status, its code, and what its message must name.
    fn table() -> Vec<(Error, u16, ErrorCode, String)> {
        let (digest, hex) = (digest(), HEX.to_owned());
        let reference = "latest".parse().unwrap();
        let foreign =
            ManifestError::UnsupportedDigest { path: "config".to_owned(), algorithm: "md5".to_owned() };
        let text = str::to_owned;
        vec![
            (Error::NameUnknown(name()), 404, ErrorCode::NameUnknown, text("`some/app`")),
            (Error::BlobUnknown { repository: name(), digest }, 404, ErrorCode::BlobUnknown, hex.clone()),
            (
                Error::ManifestUnknown { repository: name(), reference },
                404,
                ErrorCode::ManifestUnknown,
                text("`latest`"),
            ),
            (Error::UploadUnknown(id()), 404, ErrorCode::BlobUploadUnknown, text(ID)),
            (
                Error::DigestMismatch { expected: digest, actual: digest },
                400,
                ErrorCode::DigestInvalid,
                hex.clone(),
            ),
            (ManifestError::NotObject.into(), 400, ErrorCode::ManifestInvalid, text("JSON object")),
            (foreign.into(), 400, ErrorCode::DigestInvalid, text("`md5`")),
            (Error::ManifestTooLarge { limit: 12_345 }, 413, ErrorCode::ManifestInvalid, text("12345")),
            (
                Error::ManifestBlobsUnknown { repository: name(), digests: vec![digest] },
                400,
                ErrorCode::ManifestBlobUnknown,
                hex,
            ),
            (
                Error::ChunkOutOfOrder { start: 7777, offset: 5555, id: id() },
                416,
                ErrorCode::BlobUploadInvalid,
                text("7777"),
            ),
            (Error::ChunkLength { expected: 7777, actual: 5555 }, 400, ErrorCode::SizeInvalid, text("7777")),
            (Error::UploadTakenOver(id()), 409, ErrorCode::BlobUploadInvalid, text(ID)),
            (Error::TooManyUploads { limit: 7777 }, 429, ErrorCode::TooManyRequests, text("7777")),
            (Error::DeleteDisabled, 405, ErrorCode::Unsupported, text("delete.enabled")),
            (
                Error::OtherOrigin {
                    repository: name(),
                    origin: hythe_registry::Origin::Upstream(text("up.example")),
                },
                403,
                ErrorCode::Denied,
                text("up.example"),
            ),
            (Error::NoSpace(text("here")), 507, ErrorCode::Unavailable, text("here")),
            (
                Error::Body(io::ErrorKind::TimedOut.into()),
                408,
                ErrorCode::BlobUploadInvalid,
                text("timed out"),
            ),
            (Error::Body(io::Error::other("cut")), 400, ErrorCode::BlobUploadInvalid, text("cut")),
            (Error::Internal(text("secret")), 500, ErrorCode::Unknown, text("X-Request-Id")),
        ]
    }

    #[test]
    fn every_error_of_the_registry_has_its_status_code_and_message() {
        let mut seen = BTreeSet::new();
        for (error, status, code, named) in table() {
            seen.insert(variant(&error));
            let rejection = Rejection::registry(&error, Some(&name()));
            assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{error}");
            assert!(rejection.message.contains(&named), "`{named}` is not in: {}", rejection.message);
        }
        assert_eq!(seen, (0..VARIANTS).collect());
    }

    #[test]
    fn the_cause_of_an_internal_error_is_logged_and_not_sent_to_the_client() {
        let rejection = Rejection::registry(&Error::Internal("secret".to_owned()), None);
        assert!(!rejection.message.contains("secret"), "{}", rejection.message);
        assert!(rejection.logged().contains("secret"), "{}", rejection.logged());
    }

    #[test]
    fn errors_carry_the_headers_that_tell_a_client_how_to_continue() {
        let headers =
            |error: Error| Rejection::registry(&error, Some(&name())).into_response().headers().clone();
        let out_of_order = headers(Error::ChunkOutOfOrder { start: 7, offset: 5, id: id() });
        assert_eq!(out_of_order[header::RANGE], "0-4");
        assert_eq!(out_of_order[header::LOCATION], format!("/v2/some/app/blobs/uploads/{ID}"));
        assert_eq!(headers(Error::TooManyUploads { limit: 1 })[header::RETRY_AFTER], "1");
        let method = Rejection::method(&Method::POST, "GET, HEAD").into_response();
        assert_eq!(
            (method.status(), &method.headers()[header::ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &HeaderValue::from_static("GET, HEAD"),)
        );
    }

    #[test]
    fn a_request_for_which_the_upstream_is_not_asked_is_403_503_or_504() {
        let upstream = || "up.example".parse().unwrap();
        for (error, status, code, retry) in [
            (Upstream::NotShared { upstream: upstream() }, 403, ErrorCode::Denied, None),
            (Upstream::Crowded { upstream: upstream(), limit: 64 }, 503, ErrorCode::Unavailable, Some("1")),
            (
                Upstream::Offline { upstream: upstream(), asked: "it".to_owned(), why: "no" },
                504,
                ErrorCode::Unavailable,
                None,
            ),
        ] {
            let rejection = Rejection::upstream(&error, ErrorCode::NameUnknown);
            assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{error}");
            assert!(rejection.message.contains("up.example"), "{}", rejection.message);
            let headers = rejection.into_response().headers().clone();
            assert_eq!(headers.get(header::RETRY_AFTER).map(|after| after.to_str().unwrap()), retry);
        }
    }

    #[test]
    fn every_path_that_cannot_be_parsed_has_its_status_and_code() {
        for (path, status, code, named) in [
            ("/v2/app/unknown", 404, ErrorCode::Unsupported, "`/v2/app/unknown`"),
            ("/v2/BAD/tags/list", 400, ErrorCode::NameInvalid, "`BAD`"),
            ("/v2/app/manifests/-bad", 400, ErrorCode::TagInvalid, "`-bad`"),
            ("/v2/app/manifests/md5:1", 400, ErrorCode::DigestInvalid, "`md5`"),
            ("/v2/app/blobs/bad", 400, ErrorCode::DigestInvalid, "`bad`"),
            ("/v2/app/blobs/uploads/bad", 404, ErrorCode::BlobUploadUnknown, "`bad`"),
        ] {
            let rejection = Rejection::endpoint(&Endpoint::parse(path).unwrap_err());
            assert_eq!((rejection.status.as_u16(), rejection.code), (status, code), "{path}");
            assert!(rejection.message.contains(named), "`{named}` is not in: {}", rejection.message);
        }
        let digest = EndpointError::Digest(DigestError::Unsupported { algorithm: "md5".to_owned() });
        assert_eq!(Rejection::endpoint(&digest).status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn the_body_of_every_code_has_the_form_of_the_specification() {
        for &code in ErrorCode::ALL {
            let rejection = Rejection::new(StatusCode::BAD_REQUEST, code, "why");
            let response = rejection.into_response();
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json; charset=utf-8");
            let body: Value = serde_json::from_slice(&code.body("why", None)).unwrap();
            assert_eq!(body, json!({ "errors": [{ "code": code.as_str(), "message": "why" }] }));
        }
    }
}
