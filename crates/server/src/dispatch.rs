//! Leads a request to its answer: parses it once, and asks once whether it is allowed, before any handler.

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request as Http, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hythe_oci::ErrorCode;
use hythe_oci::header::{API_VERSION, DOCKER_DISTRIBUTION_API_VERSION, OCI_NAMESPACE};

use crate::access::{Access, Asked, Facts, Grant, Judge, Page, Refusal, Scope, Subject, Wanted, decide};
use crate::auth::Auth;
use crate::call::{App, Call};
use crate::handlers::{self, pages, token};
use crate::options::ServerOptions;
use crate::peer::Peer;
use crate::plane::{Body, Exchange, Link, RequestBody};
use crate::record::Record;
use crate::reject::Rejection;
use crate::request::{Request, Target, is_only_if_cached};
use crate::{cors, endpoints};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request, and records the response.
pub(crate) async fn answer(
    app: Arc<App>,
    options: Arc<ServerOptions>,
    peer: Arc<Peer>,
    link: Arc<Link>,
    request: Http<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let host = HostCount::of(&head);
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let head_size = head.uri.path().len() + head.uri.query().map_or(0, str::len) + fields.sum::<usize>();
    let certificate = peer.certificate.clone();
    let record = Arc::new(Record::new(head.method, head.uri, peer.address, certificate));
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
    let body = RequestBody::new(body, Arc::clone(&link), options.progress_timeout);
    let result = if head_size > options.max_header_size {
        Err(Rejection::head_too_large(options.max_header_size))
    } else if peer.lacks_tls && !(peer.near && Page::of(record.uri.path()).is_some_and(Page::is_health)) {
        Err(Rejection::lacks_tls(asked_host(&record, &head.headers)))
    } else if let HostCount::Wrong(message) = host {
        Err(Rejection::parameter(ErrorCode::Unsupported, message))
    } else {
        // Boxed, because this future contains those of all handlers, and moving one so large is slow.
        Box::pin(route(&app, &options, &peer, &record, &head.headers, body)).await
    };
    let mut response = result.unwrap_or_else(|rejection| {
        let _ = record.error.set(rejection.logged());
        rejection.into_response()
    });
    finish(&link, &peer, &record, &options, &head.headers, &mut response);
    if record.method == Method::HEAD {
        // On HTTP/2, hyper would send it.
        *response.body_mut() = Body::empty();
    }
    Ok(response.map(|body| body.in_exchange(exchange)))
}

/// Whether a request names exactly one host.
enum HostCount {
    One,
    /// It does not. The text says why.
    Wrong(String),
}

impl HostCount {
    fn of(head: &http::request::Parts) -> Self {
        let hosts = head.headers.get_all(header::HOST).iter().count();
        if head.version >= Version::HTTP_2 {
            // RFC 9113, 8.3.1: `:authority` names the host, and a Host header must not name another one.
            let authority = head.uri.authority().map(http::uri::Authority::as_str);
            let named = head.headers.get(header::HOST).map(HeaderValue::as_bytes);
            return match (authority, named) {
                (Some(_), None) if hosts == 0 => Self::One,
                (None, Some(_)) if hosts == 1 => Self::One,
                (Some(authority), Some(named)) if hosts == 1 && named == authority.as_bytes() => Self::One,
                _ => Self::Wrong(
                    "a request of HTTP/2 must name one host in `:authority`, and no other one in a Host header"
                        .to_owned(),
                ),
            };
        }
        // RFC 9112, 3.2. With two Host headers, a proxy in front may have checked the other one.
        if hosts == 1 || (hosts == 0 && head.version < Version::HTTP_11) {
            Self::One
        } else {
            Self::Wrong(format!("a request needs exactly one Host header; this one has {hosts}"))
        }
    }
}

/// Adds the headers that every response carries, and records its status and length.
fn finish(
    link: &Link,
    peer: &Peer,
    record: &Record,
    options: &ServerOptions,
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
    if link.end_is_unknown() || peer.lacks_tls {
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

/// Parses a request, asks once whether it is allowed, and has it answered.
async fn route(
    app: &App,
    options: &ServerOptions,
    peer: &Peer,
    record: &Record,
    headers: &http::HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let method = &record.method;
    let target = Target::of(&record.uri);
    let request = Request::parse(method, headers, &target);
    let allowed = app.cache.allowed();
    let asked = Asked {
        peer,
        method,
        host: asked_host(record, headers),
        headers,
        subject: request.as_ref().map_or(Subject::Other, Request::subject),
        only_if_cached: is_only_if_cached(headers),
    };
    let access = Access::of(&asked, options, &allowed);
    let identity = match options.auth.as_ref().filter(|_| access.needs_identity()) {
        Some(auth) => Some((
            auth,
            auth.identify(headers, peer)
                .await
                .map_err(|rejection| challenged(rejection, &Wanted::default(), auth, &asked))?,
        )),
        None => None,
    };
    let judge = identity.as_ref().map(|(auth, identity)| Judge { identity, policy: &auth.policy });
    if let Some(subject) = judge.and_then(|judge| judge.identity.subject()) {
        let _ = record.user.set(Arc::clone(subject));
    }
    let access = access.judged(judge);
    let facts = Facts::read(&access, &app.registry, &allowed).await;
    let facts = facts.map_err(|unread| Rejection::registry(&unread.error, Some(&unread.name)));
    let decision = facts.map(|facts| decide(access, &facts));
    if let Ok(Err(refusal)) = &decision
        && refusal.is_at_the_door()
    {
        // The record does not count such a request toward any endpoint.
        return Err(Rejection::refusal(refusal));
    }
    let granted = decision.and_then(|decision| {
        decision.map_err(|refusal| match (&refusal, &identity) {
            (Refusal::Unauthenticated(wanted), Some((auth, _))) => {
                challenged(Rejection::refusal(&refusal), wanted, auth, &asked)
            }
            _ => Rejection::refusal(&refusal),
        })
    });
    match request {
        Ok(Request::Endpoint { endpoint, query, namespace, mount: asked }) => {
            let endpoint = record.endpoint.get_or_init(|| endpoint);
            let Grant { resource, via, silent, mount } = granted?;
            let mount = asked?.map(|asked| asked.digest).zip(mount);
            let namespace = namespace.and_then(|namespace| HeaderValue::try_from(namespace.as_ref()).ok());
            let scope = Scope::new(allowed, via, judge);
            let writes = resource.provenance_of_writes();
            let call =
                Call { app, options, method, headers, query, record, scope, silent, mount, writes, judge };
            let mut response = endpoints::answer(&call, endpoint, resource, body).await?;
            if let Some(namespace) = namespace {
                response.headers_mut().insert(HeaderName::from_static(OCI_NAMESPACE), namespace);
            }
            Ok(response)
        }
        Ok(Request::Page { page, path, query }) => {
            let Grant { via, silent, mount: _, resource } = granted?;
            let scope = Scope::new(allowed, via, judge);
            let (mount, writes) = (None, resource.provenance_of_writes());
            let call =
                Call { app, options, method, headers, query, record, scope, silent, mount, writes, judge };
            match page {
                Page::Token => token::answer(&call, peer, path, body).await,
                page => pages::answer(&call, page, path, body).await,
            }
        }
        Ok(Request::Preflight) => granted.map(|_| preflight(options, record, headers)),
        Ok(Request::Redirect(clean)) => granted.map(|_| redirect(record, &clean)),
        Err(rejection) => granted.and(Err(rejection)),
    }
}

/// Asks the client for credentials, if the rejection says that it lacks them.
fn challenged(rejection: Rejection, wanted: &Wanted, auth: &Auth, asked: &Asked<'_>) -> Rejection {
    if rejection.status != StatusCode::UNAUTHORIZED {
        return rejection;
    }
    let challenge = auth.challenge(wanted, asked.host, asked.peer.tls);
    rejection.with_values(&header::WWW_AUTHENTICATE, challenge)
}

/// The host that the request names, in its target or its `Host` header.
fn asked_host<'a>(record: &'a Record, headers: &'a http::HeaderMap) -> Option<&'a str> {
    match record.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default()),
    }
}

fn preflight(options: &ServerOptions, record: &Record, headers: &http::HeaderMap) -> Response<Body> {
    let _ = record.page.set("preflight");
    let mut response = handlers::empty(StatusCode::NO_CONTENT);
    cors::preflight(response.headers_mut(), cors::is_named(headers, &options.cors_origins));
    response
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
