//! Manifests and blobs of copies of upstreams' repositories.

use http::{Method, Response, StatusCode};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName};
use hythe_registry::Error as Refused;
use hythe_upstream::{Error, RepositoryCopy};

use super::{blobs, manifests};
use crate::access::Refusal;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// Pulls a manifest.
pub(crate) async fn manifest_get(
    call: &Call<'_>,
    copy: &RepositoryCopy,
    reference: &Reference,
) -> Result<Response<Body>, Rejection> {
    let refuse = |error: &_| Rejection::upstream(error, ErrorCode::ManifestUnknown);
    let found = copy.manifest(reference).await.map_err(|error| refuse(&error))?;
    let bytes = async { copy.manifest_bytes(&found.value).await.map_err(|error| refuse(&error)) };
    let mut response = manifests::respond(call, &found.value, bytes).await?;
    let is_get = *call.method == Method::GET;
    // A look at the cache, such as that of `hythe du`, must not change which image is evicted next.
    if call.silent.is_none() {
        copy.record_pull(reference, &found.value, is_get);
    }
    if is_get {
        copy.prefetch(&found.value);
    }
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

/// Pulls a blob, or a range of it, also while the blob is being fetched.
pub(crate) async fn blob_get(
    call: &Call<'_>,
    copy: &RepositoryCopy,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let found = copy.blob(digest).await;
    let found = found.map_err(|error| Rejection::upstream(&error, ErrorCode::BlobUnknown))?;
    let mut response = blobs::respond(call, &found.value)?;
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

/// Tells whether the blob exists, without fetching it: the client may never pull it.
pub(crate) async fn blob_head(
    call: &Call<'_>,
    copy: &RepositoryCopy,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let found = copy.blob_size(digest).await;
    let found = found.map_err(|error| Rejection::upstream(&error, ErrorCode::BlobUnknown))?;
    let mut response = blobs::respond_size(call, *digest, found.value)?;
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

/// Makes a copy a repository of the registry's own, so that clients can push to it.
pub(crate) async fn begin_push(name: &RepositoryName, copy: &RepositoryCopy) -> Result<(), Rejection> {
    copy.pin().await.map_err(|error| match &error {
        // Content was fetched with credentials since the decision.
        Error::Registry(refused) if matches!(**refused, Refused::OtherOrigin { .. }) => {
            Rejection::refusal(&Refusal::FetchedWithCredentials {
                name: name.clone(),
                upstream: copy.upstream().clone(),
                copy: copy.name().clone(),
            })
        }
        error => Rejection::upstream(error, ErrorCode::NameUnknown),
    })
}

/// The response to a HEAD by path if the upstream could not be asked: 404. The client may be about to push. After a 404
/// it goes on, and its push gets an error that says why; any other error would end it without a reason, because the
/// response to a HEAD has no body.
pub(crate) fn unanswered(call: &Call<'_>, error: Rejection) -> Rejection {
    let unasked = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    if !unasked.contains(&error.status) || call.silent.is_some() {
        return error;
    }
    Rejection { status: StatusCode::NOT_FOUND, ..error }.with_warning()
}
