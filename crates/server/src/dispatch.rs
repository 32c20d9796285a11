//! Leads a request to its handler: parses the path once, and checks once that the client may ask.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hythe_oci::header::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION, OCI_NAMESPACE};
use hythe_oci::{Endpoint, ErrorCode, Query, lenient};
use hythe_registry::Origin;
use hythe_upstream::{Copy, Via};

use crate::call::{App, Call};
use crate::handlers::{self, blobs, copies, listings, manifests, pages, uploads};
use crate::options::Options;
use crate::peer::Peer;
use crate::place::{self, Place};
use crate::plane::{Body, Exchange, Link, RequestBody};
use crate::record::Record;
use crate::reject::Rejection;
use crate::{cors, host, site};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request, and records the response.
pub(crate) async fn answer(
    app: Arc<App>,
    options: Arc<Options>,
    peer: Arc<Peer>,
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let hosts = head.headers.get_all(header::HOST).iter().count();
    // RFC 9112, 3.2. With two Host headers, a proxy in front may have checked the other one.
    let one_host = hosts == 1 || (hosts == 0 && head.version < Version::HTTP_11);
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let head_size = head.uri.path().len() + head.uri.query().map_or(0, str::len) + fields.sum::<usize>();
    let record = Arc::new(Record::new(head.method, head.uri, peer.address));
    let exchange = {
        let (app, options, record) = (Arc::clone(&app), Arc::clone(&options), Arc::clone(&record));
        Exchange::begin(Arc::clone(&link), move |sent| {
            let took = record.started.elapsed();
            app.metrics.finished(&record, sent, took);
            // A server error is always logged: its response refers the client to the log.
            if options.log_requests || record.status() >= 500 {
                app.log.line(record.line(options.log_format, sent, took).as_bytes());
            }
        })
    };
    let body = RequestBody::new(body, Arc::clone(&link), options.progress_timeout, Arc::clone(&app.metrics));
    let result = if head_size > options.max_header_size {
        Err(Rejection::head_too_large(options.max_header_size))
    } else if one_host {
        // Boxed, because this future contains those of all handlers, and moving one so large is slow.
        Box::pin(route(&app, &options, &peer, &record, &head.headers, body)).await
    } else {
        let message = format!("a request needs exactly one Host header; this one has {hosts}");
        Err(Rejection::parameter(ErrorCode::Unsupported, message))
    };
    let mut response = result.unwrap_or_else(|rejection| {
        let _ = record.error.set(rejection.logged());
        rejection.into_response()
    });
    finish(&link, &record, &options, &head.headers, &mut response);
    Ok(response.map(|body| body.in_exchange(exchange)))
}

/// Adds the headers that every response carries, and records its status and length.
fn finish(
    link: &Link,
    record: &Record,
    options: &Options,
    asked: &http::HeaderMap,
    response: &mut Response<Body>,
) {
    let status = response.status();
    let length = response.body().size_hint().exact().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(DOCKER_DISTRIBUTION_API_VERSION),
        HeaderValue::from_static(API_VERSION),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::try_from(record.id_text()) {
        headers.insert(REQUEST_ID, id);
    }
    if link.end_is_unknown() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(origin) = cors::allowed_origin(asked, &options.cors_origins) {
        cors::expose(headers, origin);
    }
    // hyper sends no body for a HEAD; `Content-Length` has the length of a GET's.
    let sent = if record.method == Method::HEAD { 0 } else { length };
    record.answered(status.as_u16(), sent);
    if record.method == Method::HEAD && !headers.contains_key(header::CONTENT_LENGTH) && length > 0 {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

async fn route(
    app: &App,
    options: &Options,
    peer: &Peer,
    record: &Record,
    headers: &http::HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let (method, path) = (&record.method, record.uri.path());
    let foreign = foreign_host(options, record, headers);
    check_host(options, peer, foreign)?;
    let foreign_page = site::is_foreign(headers, asked_host(record, headers), &options.cors_origins);
    check_origin(foreign_page, record, headers)?;
    check_coding(headers)?;
    if *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let _ = record.page.set("preflight");
        let mut response = handlers::empty(StatusCode::NO_CONTENT);
        cors::preflight(response.headers_mut(), cors::is_named(headers, &options.cors_origins));
        return Ok(response);
    }
    let (mut path, mut query) = (path, Cow::Borrowed(record.uri.query().unwrap_or_default()));
    if let Some((upload, appended)) = lenient::split_query(path) {
        (path, query) = (upload, Cow::Owned(format!("{appended}&{query}")));
    }
    let query = Query::parse(&query)?;
    // A web page's request counts as the network's, also if the page's name was made to resolve to this machine.
    let is_near = peer.near && foreign.is_none() && !foreign_page;
    let via = if is_near { Via::Loopback } else { Via::Network };
    let call = Call { app, options, method, headers, query, record, via, foreign: foreign_page };
    if !path.starts_with("/v2") && !path.starts_with("//") && path != "/" {
        return pages::answer(&call, path, record).await;
    }
    let endpoint = match Endpoint::parse(path) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            let redirected = lenient::clean(path).map(|clean| redirect(record, &clean));
            return redirected.ok_or_else(|| Rejection::endpoint(&error));
        }
    };
    let endpoint = record.endpoint.get_or_init(|| endpoint);
    let (namespace, place) = place::find(&call, peer, endpoint)?;
    place::check_share(&call, endpoint, &place)?;
    let mut response = call_endpoint(&call, endpoint, &place, body).await?;
    if let Some(namespace) = namespace {
        response.headers_mut().insert(HeaderName::from_static(OCI_NAMESPACE), namespace);
    }
    Ok(response)
}

/// The host that the request names, if it is neither loopback nor configured in `http.hosts`.
fn foreign_host<'a>(options: &Options, record: &'a Record, headers: &'a http::HeaderMap) -> Option<&'a str> {
    asked_host(record, headers).filter(|host| !host::is_allowed(host, &options.hosts))
}

/// The host that the request names, in its target or its `Host` header.
fn asked_host<'a>(record: &'a Record, headers: &'a http::HeaderMap) -> Option<&'a str> {
    match record.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default()),
    }
}

/// Refuses a request for a foreign host, if the registry is reachable from this machine only: otherwise a web page
/// could talk to the registry on its reader's machine by making its own name resolve there (DNS rebinding).
fn check_host(options: &Options, peer: &Peer, foreign: Option<&str>) -> Result<(), Rejection> {
    let is_refused =
        |host: &&str| peer.door.loopback || options.published_on_loopback && !host::is_inner(host);
    match foreign.filter(is_refused) {
        Some(host) => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Denied,
            format!(
                "host `{host}` is not a name of this registry, which serves only this machine; use localhost instead, \
                 or add the host to http.hosts (HYTHE_HTTP_HOSTS, as a list)"
            ),
        )),
        None => Ok(()),
    }
}

/// Refuses writes of a foreign web page, on every listener. A browser sends some of them without a preflight, such as a
/// simple POST, and a user who can reach the registry may open any page.
fn check_origin(foreign: bool, record: &Record, headers: &http::HeaderMap) -> Result<(), Rejection> {
    if !foreign || site::reads(&record.method) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let page = origin.map_or_else(|| "another origin".to_owned(), |origin| format!("`{origin}`"));
    Err(Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorCode::Denied,
        format!(
            "a web page of {page} may not write to this registry; to allow it, add its origin to http.cors-origins"
        ),
    ))
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

/// Redirects a path with superfluous slashes to the one without them, as `registry:2` does.
fn redirect(record: &Record, clean: &str) -> Response<Body> {
    let _ = record.page.set("redirect");
    let query = record.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    // After a 301 some clients would repeat another method as GET.
    let keeps_method = !matches!(record.method, Method::GET | Method::HEAD);
    let status = if keeps_method { StatusCode::PERMANENT_REDIRECT } else { StatusCode::MOVED_PERMANENTLY };
    let mut response = handlers::empty(status);
    // The request's path and query have only characters that a header may hold.
    response
        .headers_mut()
        .extend(HeaderValue::try_from(format!("{clean}{query}")).map(|to| (header::LOCATION, to)));
    response
}

async fn call_endpoint(
    call: &Call<'_>,
    endpoint: &Endpoint,
    place: &Place,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let read = matches!(*call.method, Method::GET | Method::HEAD);
    match place {
        Place::Copy { copy, by_path } => call_copy(call, endpoint, copy, *by_path, body).await,
        Place::Pinned(name) => call_here(call, &endpoint.within(name), body).await,
        Place::HereOrCopy(copy) if read => {
            if is_here(call, endpoint)? {
                match call_here(call, endpoint, body).await {
                    Err(rejection) if rejection.status == StatusCode::NOT_FOUND => {}
                    other => return other,
                }
            }
            read_copy(call, endpoint, copy).await
        }
        Place::Here | Place::HereOrCopy(_) => call_here(call, endpoint, body).await,
    }
}

/// Whether the requested repository exists and is this registry's own, not a copy; true if the request names no
/// repository.
fn is_here(call: &Call<'_>, endpoint: &Endpoint) -> Result<bool, Rejection> {
    let Some(name) = endpoint.name() else { return Ok(true) };
    let found = call.app.registry.repository(name).provenance();
    let found = found.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(found.is_some_and(|found| found.origin == Origin::Local))
}

/// Calls an endpoint of a copy: reads and deletes work on the copy; a push is refused unless the upstream is pushable.
async fn call_copy(
    call: &Call<'_>,
    endpoint: &Endpoint,
    copy: &Copy,
    by_path: bool,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    match (call.method.clone(), endpoint) {
        (Method::HEAD, Endpoint::Manifest { .. } | Endpoint::Blob { .. }) if by_path => {
            copies::may_be_pushed(call, copy)?;
            read_copy(call, endpoint, copy).await.map_err(|error| copies::unanswered(call, error))
        }
        (Method::GET | Method::HEAD, _) => read_copy(call, endpoint, copy).await,
        (Method::DELETE, Endpoint::Manifest { reference, .. }) => {
            manifests::manifest_delete(call, copy.name(), reference).await
        }
        (Method::DELETE, Endpoint::Blob { digest, .. }) => {
            blobs::blob_delete(call, copy.name(), digest).await
        }
        (
            Method::PUT | Method::POST | Method::PATCH,
            Endpoint::Manifest { .. } | Endpoint::Uploads { .. } | Endpoint::Upload { .. },
        ) => {
            copies::begin_push(endpoint.name().unwrap_or(copy.name()), copy).await?;
            call_here(call, &endpoint.within(copy.name()), body).await
        }
        _ => call_here(call, endpoint, body).await,
    }
}

async fn read_copy(call: &Call<'_>, endpoint: &Endpoint, copy: &Copy) -> Result<Response<Body>, Rejection> {
    match endpoint {
        Endpoint::Tags { name } => listings::copy_tag_list(call, name, copy).await,
        Endpoint::Referrers { name, digest } => listings::copy_referrer_list(call, name, copy, digest).await,
        Endpoint::Manifest { reference, .. } => copies::manifest_get(call, copy, reference).await,
        Endpoint::Blob { digest, .. } if *call.method == Method::HEAD => {
            copies::blob_head(call, copy, digest).await
        }
        Endpoint::Blob { digest, .. } => copies::blob_get(call, copy, digest).await,
        Endpoint::Upload { name, id } => uploads::upload_status(call, name, *id),
        Endpoint::Uploads { .. }
        | Endpoint::Root
        | Endpoint::Base
        | Endpoint::Extensions
        | Endpoint::Catalog => Err(Rejection::method(call.method, "POST")),
    }
}

async fn call_here(
    call: &Call<'_>,
    endpoint: &Endpoint,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let read = matches!(*call.method, Method::GET | Method::HEAD);
    let refuse = |allow| Err(Rejection::method(call.method, allow));
    match endpoint {
        Endpoint::Root if read => Ok(pages::root()),
        Endpoint::Base if read => Ok(pages::base()),
        Endpoint::Extensions if read => Ok(pages::extensions()),
        Endpoint::Catalog if read => listings::catalog_list(call),
        Endpoint::Tags { name } if read => listings::tag_list(call, name),
        Endpoint::Referrers { name, digest } if read => listings::referrer_list(call, name, digest),
        Endpoint::Manifest { name, reference } => match *call.method {
            Method::GET | Method::HEAD => manifests::manifest_get(call, name, reference).await,
            Method::PUT => manifests::manifest_put(call, name, reference, body).await,
            Method::DELETE => manifests::manifest_delete(call, name, reference).await,
            _ => refuse("GET, HEAD, PUT, DELETE"),
        },
        Endpoint::Blob { name, digest } => match *call.method {
            Method::GET => blobs::blob_get(call, name, digest),
            Method::HEAD => blobs::blob_head(call, name, digest).await,
            Method::DELETE => blobs::blob_delete(call, name, digest).await,
            _ => refuse("GET, HEAD, DELETE"),
        },
        Endpoint::Uploads { name } => match *call.method {
            Method::POST => uploads::upload_start(call, name, body).await,
            _ => refuse("POST"),
        },
        Endpoint::Upload { name, id } => match *call.method {
            Method::GET | Method::HEAD => uploads::upload_status(call, name, *id),
            Method::PATCH => uploads::upload_append(call, name, *id, body).await,
            Method::PUT => uploads::upload_finish(call, name, *id, body).await,
            Method::DELETE => uploads::upload_cancel(call, name, *id).await,
            _ => refuse("GET, HEAD, PATCH, PUT, DELETE"),
        },
        Endpoint::Root
        | Endpoint::Base
        | Endpoint::Extensions
        | Endpoint::Catalog
        | Endpoint::Tags { .. }
        | Endpoint::Referrers { .. } => refuse("GET, HEAD"),
    }
}
