//! Each error's status and code, in one table.

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hythe_oci::{EndpointError, ErrorCode, QueryError, path};
use hythe_registry::Error;
use serde_json::{Value, json};

use crate::plane::Body;

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) detail: Option<Value>,
    pub(crate) headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None, headers: Vec::new() }
    }

    fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn with_header(mut self, name: header::HeaderName, value: String) -> Self {
        // The values are paths and numbers of our own making; one that is not a header's would only be left out.
        self.headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
        self
    }

    /// No such resource at all.
    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorCode::Unsupported,
            format!("`{path}` is not a path of this registry"),
        )
    }

    /// The resource is there, the method is not.
    pub(crate) fn method(method: &Method, allow: &'static str) -> Self {
        let message = format!("method {method} is not supported here; use {allow}");
        let mut rejection = Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message);
        rejection.headers.push((header::ALLOW, HeaderValue::from_static(allow)));
        rejection
    }

    /// A parameter or header that cannot be understood.
    pub(crate) fn parameter(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::bad(code, message)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::bytes(self.code.body(self.message, self.detail)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
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

    /// What the registry refused. `at` is the repository that was asked, for the headers that some answers carry.
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
                rejection.detail = Some(json!({ "digests": digests }));
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
            Error::NoSpace(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable, message),
            Error::Body(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::BlobUploadInvalid, message)
            }
            Error::Body(_) => Self::bad(ErrorCode::BlobUploadInvalid, message),
            Error::Internal(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Unknown,
                "something is wrong in the registry, not with the request; its log has the reason under this \
                 answer's X-Request-Id",
            ),
        }
    }
}
