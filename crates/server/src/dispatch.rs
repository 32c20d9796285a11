//! From a request to its handler: the path is parsed once, who may ask is checked once.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hythe_oci::header::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION, OCI_NAMESPACE};
use hythe_oci::{Endpoint, ErrorCode, Query, RepositoryName};
use hythe_registry::Origin;
use hythe_upstream::{Allowed, Copy, Resolved, Upstream, Via};

use crate::call::{App, Call};
use crate::handlers::copies::not_shared;
use crate::handlers::{self, blobs, copies, listings, manifests, pages, uploads};
use crate::options::Options;
use crate::plane::{Body, Exchange, Link, RequestBody};
use crate::record::Record;
use crate::reject::Rejection;
use crate::{cors, host};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request; every answer is recorded.
pub(crate) async fn answer(
    app: Arc<App>,
    options: Arc<Options>,
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let hosts = head.headers.get_all(header::HOST).iter().count();
    // RFC 9112, 3.2. Of two, a proxy before us may have judged the other one.
    let one_host = hosts == 1 || (hosts == 0 && head.version < Version::HTTP_11);
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let head_size = head.uri.path().len() + head.uri.query().map_or(0, str::len) + fields.sum::<usize>();
    let record = Arc::new(Record::new(head.method, head.uri, link.client));
    let exchange = {
        let (app, options, record) = (Arc::clone(&app), Arc::clone(&options), Arc::clone(&record));
        Exchange::begin(Arc::clone(&link), move |sent| {
            let took = record.started.elapsed();
            app.metrics.finished(&record, sent, took);
            // Whoever was told that something is wrong finds its reason, whatever else is logged.
            if options.log_requests || record.status() >= 500 {
                app.log.line(record.line(options.log_format, sent, took).as_bytes());
            }
        })
    };
    let body = RequestBody::new(body, Arc::clone(&link), options.progress_timeout, Arc::clone(&app.metrics));
    let result = if head_size > options.max_header_size {
        Err(Rejection::head_too_large(options.max_header_size))
    } else if one_host {
        route(&app, &options, &link, &record, &head.headers, body).await
    } else {
        let message = format!("a request needs one Host header; this one has {hosts}");
        Err(Rejection::parameter(ErrorCode::Unsupported, message))
    };
    let mut response = result.unwrap_or_else(|rejection| {
        let _ = record.error.set(rejection.logged());
        rejection.into_response()
    });
    finish(&record, &options, &head.headers, &mut response);
    Ok(response.map(|body| body.in_exchange(exchange)))
}

/// What every answer carries.
fn finish(record: &Record, options: &Options, asked: &http::HeaderMap, response: &mut Response<Body>) {
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
    if let Some(origin) = cors::allowed_origin(asked, &options.cors_origins) {
        cors::expose(headers, origin);
    }
    // hyper sends no body to HEAD; the length that it would have is in its header.
    let sent = if record.method == Method::HEAD { 0 } else { length };
    record.answered(status.as_u16(), sent);
    if record.method == Method::HEAD && !headers.contains_key(header::CONTENT_LENGTH) && length > 0 {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

async fn route(
    app: &App,
    options: &Options,
    link: &Link,
    record: &Record,
    headers: &http::HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let (method, path) = (&record.method, record.uri.path());
    let foreign = foreign_host(options, record, headers);
    check_host(options, link, foreign)?;
    check_origin(options, record, headers)?;
    if *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let _ = record.page.set("preflight");
        let mut response = handlers::empty(StatusCode::NO_CONTENT);
        cors::preflight(response.headers_mut(), cors::may_write(headers, &options.cors_origins));
        return Ok(response);
    }
    let query = Query::parse(record.uri.query().unwrap_or_default());
    // A page whose name was made to resolve to this machine comes from anywhere.
    let via = if link.near && foreign.is_none() { Via::Loopback } else { Via::Network };
    if !path.starts_with("/v2") && path != "/" {
        let call = Call { app, options, method, headers, query: query?, record, via };
        return pages::answer(&call, path, record).await;
    }
    let endpoint = Endpoint::parse(path).map_err(|error| Rejection::endpoint(&error))?;
    let endpoint = record.endpoint.get_or_init(|| endpoint);
    let call = Call { app, options, method, headers, query: query?, record, via };
    let (namespace, place) = place(&call, link, endpoint)?;
    check_share(&call, endpoint, &place)?;
    let mut response = call_endpoint(&call, endpoint, &place, body).await?;
    if let Some(namespace) = namespace {
        response.headers_mut().insert(HeaderName::from_static(OCI_NAMESPACE), namespace);
    }
    Ok(response)
}

/// The host that is asked, where that is no name of a registry on this machine.
fn foreign_host<'a>(options: &Options, record: &'a Record, headers: &'a http::HeaderMap) -> Option<&'a str> {
    asked_host(record, headers).filter(|host| !host::is_allowed(host, &options.hosts))
}

/// The host that is asked.
fn asked_host<'a>(record: &'a Record, headers: &'a http::HeaderMap) -> Option<&'a str> {
    match record.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default()),
    }
}

/// A web page must not talk to a registry on the reader's own machine by making its name resolve there.
fn check_host(options: &Options, link: &Link, foreign: Option<&str>) -> Result<(), Rejection> {
    let is_refused = |host: &&str| link.loopback || options.published_on_loopback && !host::is_inner(host);
    match foreign.filter(is_refused) {
        Some(host) => Err(Rejection::new(
            StatusCode::FORBIDDEN,
            ErrorCode::Denied,
            format!(
                "host `{host}` does not name this registry, which listens on loopback for this machine alone; \
                 ask it as localhost, or add the name to http.hosts"
            ),
        )),
        None => Ok(()),
    }
}

/// Nor may a page write to any by requests that a browser sends without asking first, such as a plain POST: who reaches a
/// registry's network may read a page of anybody's.
fn check_origin(options: &Options, record: &Record, headers: &http::HeaderMap) -> Result<(), Rejection> {
    let reads = matches!(record.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| !reads) else { return Ok(()) };
    let origin_text = origin.to_str().unwrap_or_default();
    let host = origin_text.split_once("://").map_or("", |(_, host)| host);
    // A page that was served under the name that is asked is this registry's own, as far as names tell: which ones may be
    // asked for was checked before.
    let is_same = !host.is_empty() && asked_host(record, headers) == Some(host);
    if is_same || host::is_allowed(host, &options.hosts) || cors::may_write(headers, &options.cors_origins) {
        return Ok(());
    }
    Err(Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorCode::Denied,
        format!(
            "a page of `{origin_text}` may not write to this registry; name it in http.cors-origins if it should"
        ),
    ))
}

/// Where the repository of a request is.
enum Place {
    /// It is this registry's own, or the request is about none.
    Here,
    /// It is an upstream's.
    Copy(Copy),
    /// It is this registry's own as far as that has it, and an upstream's otherwise.
    HereOrCopy(Copy),
}

/// Which repository a request means, and the `?ns=` that it says so by (distribution-spec, Registry proxying). One that
/// names this registry, and no upstream, is as good as none.
fn place(
    call: &Call<'_>,
    link: &Link,
    endpoint: &Endpoint,
) -> Result<(Option<HeaderValue>, Place), Rejection> {
    let allowed = call.app.cache.allowed();
    let namespace = call.query.first("ns");
    let told = namespace.as_deref().and_then(|namespace| HeaderValue::try_from(namespace).ok());
    let is_ours = |ns: &&str| !is_listed(&allowed, ns) && host::is_this_registry(ns, &call.options.hosts);
    let elsewhere = namespace.as_deref().filter(|ns| !is_ours(ns));
    let not_answered_for = |name: &str| {
        let message = format!(
            "this registry does not answer for `{name}`; add it to its upstreams (upstream.add) if it should"
        );
        Rejection::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message)
    };
    let Some(name) = endpoint.name() else {
        // Of another registry's whole nothing is known here.
        return match elsewhere {
            Some(namespace) if !may_be_asked(&allowed, namespace) => Err(not_answered_for(namespace)),
            _ => Ok((told, Place::Here)),
        };
    };
    let copy = |upstream: &Arc<Upstream>, there: &RepositoryName| -> Result<Copy, Rejection> {
        let copy = call.app.cache.copy(upstream, there, call.via);
        let copy = copy.map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))?;
        // RFC 9111, 5.2.1.7
        let only = call.header(header::CACHE_CONTROL).is_some_and(|value| value.contains("only-if-cached"));
        Ok(if only { copy.only_if_cached() } else { copy })
    };
    let place = match allowed.resolve(elsewhere, name) {
        Resolved::Upstream(upstream, there) => Place::Copy(copy(&upstream, &there)?),
        Resolved::NotAllowed => return Err(not_answered_for(elsewhere.unwrap_or_default())),
        Resolved::Local(_) => match &link.mirror {
            // Who says that this registry is meant does not mean an upstream that it stands for.
            Some(mirror) if mirror.local_first || namespace.is_none() => {
                match allowed.resolve_at(&mirror.upstream, name) {
                    Resolved::Upstream(upstream, there) if mirror.local_first => {
                        Place::HereOrCopy(copy(&upstream, &there)?)
                    }
                    Resolved::Upstream(upstream, there) => Place::Copy(copy(&upstream, &there)?),
                    Resolved::Local(_) | Resolved::NotAllowed => {
                        return Err(not_answered_for(&mirror.upstream.to_string()));
                    }
                }
            }
            _ => Place::Here,
        },
    };
    Ok((told, place))
}

fn is_listed(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.get(&namespace).is_some())
}

fn may_be_asked(allowed: &Allowed, namespace: &str) -> bool {
    namespace.parse().is_ok_and(|namespace| allowed.find(&namespace).is_some())
}

/// What was fetched with credentials is not for everybody, whatever is asked of it: nor where its upstream is not listed
/// any more, so that it is read as any other repository.
fn check_share(call: &Call<'_>, endpoint: &Endpoint, place: &Place) -> Result<(), Rejection> {
    match (place, endpoint.name()) {
        (Place::Copy(copy), _) => {
            copy.check_share().map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))
        }
        // Of the second, the copy is checked when it is asked.
        (Place::Here | Place::HereOrCopy(_), Some(name)) => match not_shared(call, name)? {
            Some(error) => Err(Rejection::upstream(&error, ErrorCode::NameUnknown)),
            None => Ok(()),
        },
        (Place::Here | Place::HereOrCopy(_), None) => Ok(()),
    }
}

async fn call_endpoint(
    call: &Call<'_>,
    endpoint: &Endpoint,
    place: &Place,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let read = matches!(*call.method, Method::GET | Method::HEAD);
    match place {
        Place::Copy(copy) => call_copy(call, endpoint, copy, body).await,
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

/// Whether the repository that is asked for holds anything that was pushed here.
fn is_here(call: &Call<'_>, endpoint: &Endpoint) -> Result<bool, Rejection> {
    let Some(name) = endpoint.name() else { return Ok(true) };
    let found = call.app.registry.repository(name).provenance();
    let found = found.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(found.is_some_and(|found| found.origin == Origin::Local))
}

/// A copy is read, and what is in it can be deleted; nothing is pushed into it.
async fn call_copy(
    call: &Call<'_>,
    endpoint: &Endpoint,
    copy: &Copy,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    match (call.method.clone(), endpoint) {
        (Method::GET | Method::HEAD, _) => read_copy(call, endpoint, copy).await,
        (Method::DELETE, Endpoint::Manifest { reference, .. }) => {
            manifests::manifest_delete(call, copy.name(), reference).await
        }
        (Method::DELETE, Endpoint::Blob { digest, .. }) => {
            blobs::blob_delete(call, copy.name(), digest).await
        }
        (Method::PUT | Method::POST | Method::PATCH, _) => {
            copies::push(endpoint.name().unwrap_or(copy.name()), copy)
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
