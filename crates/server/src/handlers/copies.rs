//! Manifests and blobs of copies of upstreams' repositories.

use http::{Method, Response, StatusCode};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName};
use hythe_registry::Error as Refused;
use hythe_upstream::{Copy, Error, Via};

use super::{blobs, manifests};
use crate::call::Call;
use crate::place::is_only_if_cached;
use crate::plane::Body;
use crate::reject::Rejection;

/// The error for a repository that this request may not read: its content was fetched with credentials and is not
/// shared with this client. `None` if the request may read it.
pub(crate) fn not_shared(call: &Call<'_>, name: &RepositoryName) -> Result<Option<Error>, Rejection> {
    if call.via == Via::Loopback {
        return Ok(None);
    }
    let found = call.app.registry.repository(name).provenance();
    let found = found.map_err(|error| Rejection::registry(&error, Some(name)))?;
    let hidden = found.filter(|found| !call.app.cache.allowed().shares(found, call.via));
    // The cache has stored the upstream's name as the origin.
    let upstream = hidden.and_then(|hidden| hidden.origin.as_str().parse().ok());
    Ok(upstream.map(|upstream| Error::NotShared { upstream }))
}

/// Pulls a manifest.
pub(crate) async fn manifest_get(
    call: &Call<'_>,
    copy: &Copy,
    reference: &Reference,
) -> Result<Response<Body>, Rejection> {
    let refuse = |error: &_| Rejection::upstream(error, ErrorCode::ManifestUnknown);
    let found = copy.manifest(reference).await.map_err(|error| refuse(&error))?;
    let bytes = || copy.manifest_bytes(&found.value).map_err(|error| refuse(&error));
    let mut response = manifests::respond(call, &found.value, bytes)?;
    let is_get = *call.method == Method::GET;
    copy.record_pull(reference, &found.value, is_get);
    if is_get {
        copy.prefetch(&found.value);
    }
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

/// Pulls a blob, or a range of it, also while the blob is being fetched.
pub(crate) async fn blob_get(
    call: &Call<'_>,
    copy: &Copy,
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
    copy: &Copy,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let found = copy.blob_size(digest).await;
    let found = found.map_err(|error| Rejection::upstream(&error, ErrorCode::BlobUnknown))?;
    let mut response = blobs::respond_size(call, *digest, found.value)?;
    call.tell(&mut response, copy, &found.freshness);
    Ok(response)
}

/// Makes a copy a repository of the registry's own, so that clients can push to it. Refuses if the upstream is not
/// pushable.
pub(crate) async fn begin_push(name: &RepositoryName, copy: &Copy) -> Result<(), Rejection> {
    let upstream = copy.upstream();
    let refuse = |message: String| Rejection::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message);
    if !copy.is_pushable() {
        return Err(refuse(format!(
            "`{name}` is a copy of a repository of {upstream}, so pushes to it are refused; push under another name, \
             or set `pushable = true` in [upstream.\"{upstream}\"] to serve what you push instead of the copy"
        )));
    }
    copy.pin().await.map_err(|error| match &error {
        Error::Registry(refused) if matches!(**refused, Refused::OtherOrigin { .. }) => refuse(format!(
            "`{name}` has content that was fetched from {upstream} with this registry's credentials, so pushes to it \
             are refused; clear it first: `hythe cache clear {}`",
            copy.name()
        )),
        error => Rejection::upstream(error, ErrorCode::NameUnknown),
    })
}

/// Answers a HEAD by 404 if the upstream is pushable and nothing is pushed yet: clients ask by HEAD which content they
/// need not push. From the upstream's answer a client would leave out content that is not here, and its push would pin
/// the rest.
pub(crate) fn may_be_pushed(call: &Call<'_>, copy: &Copy) -> Result<(), Rejection> {
    if !copy.is_pushable() || is_only_if_cached(call) {
        return Ok(());
    }
    let message = format!(
        "nothing has been pushed to `{}` yet, and a HEAD does not ask its upstream because that is pushable",
        copy.name()
    );
    Err(Rejection::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message).with_warning())
}

/// The response to a HEAD by path if the upstream could not be asked: 404. The client may be about to push. After a 404
/// it goes on, and its push gets an error that says why; any other error would end it without a reason, because the
/// response to a HEAD has no body.
pub(crate) fn unanswered(call: &Call<'_>, error: Rejection) -> Rejection {
    let unasked = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    if !unasked.contains(&error.status) || call.foreign || is_only_if_cached(call) {
        return error;
    }
    Rejection { status: StatusCode::NOT_FOUND, ..error }.with_warning()
}
