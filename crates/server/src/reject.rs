//! Each error's and each refusal's status and code, in one table.

#[cfg(test)]
mod tests;

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use hythe_auth::Action as Right;
use hythe_oci::{Authority, EndpointError, ErrorCode, QueryError, path};
use hythe_registry::Error;
use hythe_upstream::Error as Upstream;
use serde_json::{Value, json};

use crate::access::Refusal;
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

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: String) -> Self {
        // The values are paths and numbers that the server makes; an invalid header value is left out.
        self.headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
        self
    }

    pub(crate) fn with_values(
        mut self,
        name: &header::HeaderName,
        values: impl IntoIterator<Item = HeaderValue>,
    ) -> Self {
        self.headers.extend(values.into_iter().map(|value| (name.clone(), value)));
        self
    }

    /// The client's credentials are missing, wrong, or cover too little.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
    }

    /// The client must wait before it tries again.
    pub(crate) fn slow_down(message: impl Into<String>, wait: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
            .with_header(header::RETRY_AFTER, wait.as_secs().max(1).to_string())
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

    /// The client speaks plain HTTP to a listener with TLS. `host` is the host that the request names.
    pub(crate) fn lacks_tls(host: Option<&str>) -> Self {
        let host = host.filter(|host| host.parse::<Authority>().is_ok());
        let message = match host {
            Some(host) => format!("this port speaks TLS: use https://{host}"),
            None => "this port speaks TLS: use https".to_owned(),
        };
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::Unsupported, message)
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
            Error::OtherOrigin { .. } | Error::TagProtected { .. } | Error::TagTaken { .. } => {
                Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message)
            }
            Error::NoSpace(_) | Error::OverBudget(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable, message)
            }
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
            Upstream::NameTooLong { .. } => Self::bad(ErrorCode::NameInvalid, message),
            Upstream::Wrong { .. } | Upstream::Unusable { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message)
            }
            // RFC 9111, 5.2.1.7: the status of a cache that must not ask its upstream.
            Upstream::Offline { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Unavailable, message)
            }
        }
    }
}

impl Rejection {
    fn denied(message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message)
    }

    /// A request that is not allowed.
    pub(crate) fn refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::ForeignHost { host } => Self::denied(format!(
                "host `{host}` is not a name of this registry, which serves only this machine; use localhost instead, \
                 or add the host to http.hosts (HYTHE_HTTP_HOSTS, as a list)"
            )),
            Refusal::ForeignPage { origin } => {
                let page =
                    origin.as_ref().map_or_else(|| "another origin".to_owned(), |origin| format!("`{origin}`"));
                Self::denied(format!(
                    "a web page of {page} may not write to this registry; to allow it, add its origin by name to \
                     http.cors-origins (`*` lets pages read only)"
                ))
            }
            Refusal::NotServed { registry } => Self::new(
                StatusCode::NOT_FOUND,
                ErrorCode::NameUnknown,
                format!(
                    "this registry does not serve `{registry}`; to serve it, add it as an upstream (upstream.add)"
                ),
            ),
            Refusal::TooLong(too_long) => {
                Self::upstream(&Upstream::from(too_long.clone()), ErrorCode::NameUnknown)
            }
            Refusal::NotShared { upstream } => {
                let error = Upstream::NotShared { upstream: upstream.clone() };
                Self::upstream(&error, ErrorCode::NameUnknown)
            }
            // 404, because clients ask by HEAD which content they need not push.
            Refusal::NotPushedYet { copy } => Self::new(
                StatusCode::NOT_FOUND,
                ErrorCode::NameUnknown,
                format!(
                    "nothing has been pushed to `{copy}` yet, and a HEAD does not ask its upstream because that is \
                     pushable"
                ),
            )
            .with_warning(),
            Refusal::NotPushable { name, upstream } => Self::denied(format!(
                "`{name}` is a copy of a repository of {upstream}, so pushes to it are refused; push under another \
                 name, or set `pushable = true` in [upstream.\"{upstream}\"] to serve what you push instead of the copy"
            )),
            Refusal::NoUpstream { name } => Self::denied(format!(
                "`{name}` does not begin with the name of an upstream of this registry, so no node would find what is \
                 loaded there; add its registry as an upstream (upstream.add)"
            )),
            Refusal::NotLoadable { upstream } => Self::denied(format!(
                "only clients on this registry's own machine may load content of {upstream}; load it there, or let every \
                 client load: set upstream.load to \"all\", for example with `hythe up --set upstream.load=all`"
            )),
            Refusal::FetchedWithCredentials { name, upstream, copy } => Self::denied(format!(
                "`{name}` has content that was fetched from {upstream} with this registry's credentials, so pushes to \
                 it are refused; clear it first: `hythe cache clear {copy}`"
            )),
            Refusal::Unauthenticated(wanted) if wanted.narrow => {
                Self::unauthorized("the token does not cover this request: ask the token server for another one")
            }
            Refusal::Unauthenticated(_) => Self::unauthorized("this needs a login: run `docker login` for this registry"),
            Refusal::NotPermitted { who, right, repository } => {
                let (place, selects) = match repository {
                    Some(name) => (format!(" `{name}`"), format!(", repositories = [\"{name}\"]")),
                    None => (String::new(), String::new()),
                };
                let does = match right {
                    Right::Pull => "pull from",
                    Right::Push => "push to",
                    Right::Delete => "delete from",
                    Right::Retag => "move tags of",
                    Right::Metrics => "read the registry's metrics",
                    Right::Admin => "administer the registry",
                };
                Self::denied(format!(
                    "no rule lets {who} {does}{place}; a rule with subjects = [\"{who}\"], actions = [\"{right}\"]{selects} \
                     would"
                ))
            }
            Refusal::DeletesOff => Self::registry(&Error::DeleteDisabled, None),
        }
    }
}
