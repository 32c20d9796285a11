//! Calls the handler of an endpoint, for an allowed request.

use http::{Method, Response, StatusCode};
use hythe_oci::{Endpoint, ErrorCode};
use hythe_upstream::{CopyName, RepositoryCopy};

use crate::access::Resource;
use crate::call::Call;
use crate::handlers::{blobs, copies, listings, manifests, pages, uploads};
use crate::plane::{Body, RequestBody};
use crate::reject::Rejection;

/// Answers a request to an endpoint, with the resource that the decision named.
pub(crate) async fn answer(
    call: &Call<'_>,
    endpoint: &Endpoint,
    resource: Resource,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    // Reads of copies are boxed, because their futures are several times larger than those of the registry's own content.
    match resource {
        Resource::Here => call_here(call, endpoint, body).await,
        Resource::Named(name) => call_here(call, &endpoint.within(&name), body).await,
        Resource::Pushed(copy) => {
            let copy = open(call, copy)?;
            copies::begin_push(endpoint.name().unwrap_or(copy.name()), &copy).await?;
            call_here(call, &endpoint.within(copy.name()), body).await
        }
        Resource::Loaded(copy) => call_here(call, &endpoint.within(copy.here()), body).await,
        Resource::Copy { copy, before_push } => {
            let answer = Box::pin(read_copy(call, endpoint, &open(call, copy)?)).await;
            if before_push { answer.map_err(|error| copies::unanswered(call, error)) } else { answer }
        }
        Resource::HereOrCopy { is_here, copy } => {
            if is_here {
                match call_here(call, endpoint, body).await {
                    Err(rejection) if rejection.status == StatusCode::NOT_FOUND => {}
                    other => return other,
                }
            }
            let copy = copy.map_err(|refusal| Rejection::refusal(&refusal))?;
            Box::pin(read_copy(call, endpoint, &open(call, copy)?)).await
        }
    }
}

/// The copy of this name, which asks its upstream only if the request may.
fn open(call: &Call<'_>, name: CopyName) -> Result<RepositoryCopy, Rejection> {
    let copy = call.app.cache.copy(name, call.scope.via());
    let copy = copy.map_err(|error| Rejection::upstream(&error, ErrorCode::NameUnknown))?;
    Ok(match call.silent {
        Some(silence) => copy.only_if_cached(silence.reason()),
        None => copy,
    })
}

async fn read_copy(
    call: &Call<'_>,
    endpoint: &Endpoint,
    copy: &RepositoryCopy,
) -> Result<Response<Body>, Rejection> {
    match endpoint {
        Endpoint::Tags { name } => listings::copy_tag_list(call, name, copy).await,
        Endpoint::Referrers { name, digest } => listings::copy_referrer_list(call, name, copy, digest).await,
        Endpoint::Manifest { reference, .. } => copies::manifest_get(call, copy, reference).await,
        Endpoint::Blob { digest, .. } if *call.method == Method::HEAD => {
            copies::blob_head(call, copy, digest).await
        }
        Endpoint::Blob { digest, .. } => copies::blob_get(call, copy, digest).await,
        // A decision leads to a copy only for the endpoints above.
        Endpoint::Upload { .. }
        | Endpoint::Uploads { .. }
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
        Endpoint::Catalog if read => listings::catalog_list(call).await,
        Endpoint::Tags { name } if read => listings::tag_list(call, name).await,
        Endpoint::Referrers { name, digest } if read => listings::referrer_list(call, name, digest).await,
        Endpoint::Manifest { name, reference } => match *call.method {
            Method::GET | Method::HEAD => manifests::manifest_get(call, name, reference).await,
            Method::PUT => manifests::manifest_put(call, name, reference, body).await,
            Method::DELETE => manifests::manifest_delete(call, name, reference).await,
            _ => refuse("GET, HEAD, PUT, DELETE"),
        },
        Endpoint::Blob { name, digest } => match *call.method {
            Method::GET => blobs::blob_get(call, name, digest).await,
            Method::HEAD => blobs::blob_head(call, name, digest).await,
            Method::DELETE => blobs::blob_delete(call, name, digest).await,
            _ => refuse("GET, HEAD, DELETE"),
        },
        Endpoint::Uploads { name } => match *call.method {
            Method::POST => uploads::upload_start(call, name, body).await,
            _ => refuse("POST"),
        },
        Endpoint::Upload { name, id } => match *call.method {
            Method::GET | Method::HEAD => uploads::upload_status(call, name, *id).await,
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
