//! A request's head, parsed once: what it asks for, before anything is decided or read.

use std::borrow::Cow;

use http::header::{self, HeaderMap};
use http::{Method, StatusCode, Uri};
use hythe_oci::{Digest, Endpoint, ErrorCode, Query, RepositoryName, lenient};

use crate::access::{Mount, Page, Subject};
use crate::reject::Rejection;

/// What a request asks for.
#[expect(clippy::large_enum_variant, reason = "a box would cost each request an allocation")]
pub(crate) enum Request<'a> {
    /// A browser asks which requests a page may make.
    Preflight,
    /// A path with superfluous slashes; the client is led to the path without them.
    Redirect(String),
    /// A page outside the API.
    Page { page: Page, path: &'a str, query: Query<'a> },
    /// An endpoint of the API.
    Endpoint {
        endpoint: Endpoint,
        query: Query<'a>,
        /// The request's `?ns=`.
        namespace: Option<Cow<'a, str>>,
        /// The blob to mount. An error is reported only if the request is allowed.
        mount: Result<Option<Mount>, Rejection>,
    },
}

/// The path and the query of a request, after clients' known mistakes are corrected.
pub(crate) struct Target<'a> {
    path: &'a str,
    query: Cow<'a, str>,
}

impl<'a> Target<'a> {
    pub(crate) fn of(uri: &'a Uri) -> Self {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        match lenient::split_query(path) {
            Some((path, appended)) => Self { path, query: Cow::Owned(format!("{appended}&{query}")) },
            None => Self { path, query: Cow::Borrowed(query) },
        }
    }
}

impl<'a> Request<'a> {
    /// Parses a request. The caller reports an error only after it has decided that the request is allowed. Also
    /// recognises CORS preflights, and paths that redirect to the right one.
    pub(crate) fn parse(
        method: &Method,
        headers: &HeaderMap,
        target: &'a Target<'a>,
    ) -> Result<Self, Rejection> {
        check_coding(headers)?;
        if *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return Ok(Self::Preflight);
        }
        let path = target.path;
        let query = Query::parse(&target.query)?;
        if !path.starts_with("/v2") && !path.starts_with("//") && path != "/" {
            let page = Page::of(path).ok_or_else(|| Rejection::not_found(path))?;
            return Ok(Self::Page { page, path, query });
        }
        match Endpoint::parse(path) {
            Ok(endpoint) => {
                let namespace = query.first("ns");
                let starts_upload = *method == Method::POST && matches!(endpoint, Endpoint::Uploads { .. });
                let mount = if starts_upload { mount(&query) } else { Ok(None) };
                Ok(Self::Endpoint { endpoint, query, namespace, mount })
            }
            Err(error) => match lenient::clean(path) {
                Some(clean) => Ok(Self::Redirect(clean)),
                None => Err(Rejection::endpoint(&error)),
            },
        }
    }

    /// What the access to it depends on.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Preflight | Self::Redirect(_) => Subject::Other,
            Self::Page { page, .. } => Subject::Page(*page),
            Self::Endpoint { endpoint, namespace, mount, .. } => Subject::Endpoint {
                endpoint,
                namespace: namespace.as_deref(),
                mount: mount.as_ref().ok().and_then(Option::as_ref),
            },
        }
    }
}

/// The blob to mount, if the request asks for a mount.
fn mount(query: &Query<'_>) -> Result<Option<Mount>, Rejection> {
    let Some(digest) = digest_parameter(query, "mount")? else { return Ok(None) };
    let from = query.first("from").map(|from| from.parse::<RepositoryName>()).transpose();
    let from = from.map_err(|error| {
        Rejection::parameter(ErrorCode::NameInvalid, format!("parameter `from`: {error}"))
    })?;
    Ok(Some(Mount { digest, from }))
}

/// A parameter that is a digest.
pub(crate) fn digest_parameter(query: &Query<'_>, key: &str) -> Result<Option<Digest>, Rejection> {
    let Some(text) = query.first(key) else { return Ok(None) };
    text.parse().map(Some).map_err(|error| {
        Rejection::parameter(ErrorCode::DigestInvalid, format!("parameter `{key}`: {error}"))
    })
}

/// Whether the client forbids asking an upstream (RFC 9111, 5.2.1.7).
pub(crate) fn is_only_if_cached(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains("only-if-cached"))
}

/// Refuses transfer codings other than `chunked`: the body would be stored encoded, under the digest of the encoded
/// bytes (RFC 9112, 6.1).
fn check_coding(headers: &http::HeaderMap) -> Result<(), Rejection> {
    let values = headers.get_all(header::TRANSFER_ENCODING).into_iter();
    let codings = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    let (mut chunked, mut other) = (0, None);
    for coding in codings.map(str::trim).filter(|coding| !coding.is_empty()) {
        if coding.eq_ignore_ascii_case("chunked") {
            chunked += 1;
        } else {
            other = Some(coding);
        }
    }
    match other {
        Some(coding) => Err(Rejection::new(
            StatusCode::NOT_IMPLEMENTED,
            ErrorCode::Unsupported,
            format!(
                "transfer coding `{coding}` is not supported; send the body as it is, chunked or with Content-Length"
            ),
        )),
        None if chunked > 1 => {
            let message = "Transfer-Encoding has `chunked` more than once; send the body chunked once";
            Err(Rejection::parameter(ErrorCode::Unsupported, message))
        }
        None => Ok(()),
    }
}
