//! Manifests and blobs of repositories that are copies of an upstream's.

use http::{Method, Response, StatusCode};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName};
use hythe_registry::Error as Refused;
use hythe_upstream::{Copy, Error, Via};

use super::{blobs, manifests};
use crate::call::Call;
use crate::place::is_only_if_cached;
use crate::plane::Body;
use crate::reject::Rejection;

/// Why a repository of this registry is not the answer to this request: it is a copy that is not for everybody.
pub(crate) fn not_shared(call: &Call<'_>, name: &RepositoryName) -> Result<Option<Error>, Rejection> {
    if call.via == Via::Loopback {
        return Ok(None);
    }
    let found = call.app.registry.repository(name).provenance();
    let found = found.map_err(|error| Rejection::registry(&error, Some(name)))?;
    let hidden = found.filter(|found| !call.app.cache.allowed().shares(found, call.via));
    // An origin is an upstream's name, as the cache stored it.
    let upstream = hidden.and_then(|hidden| hidden.origin.as_str().parse().ok());
    Ok(upstream.map(|upstream| Error::NotShared { upstream }))
}

/// Pull a manifest.
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

/// Pull a blob, or a range of it, while it comes.
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

/// Whether there is such a blob. It is not fetched: who asks may never want it.
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

/// Makes a copy the registry's own, so that it can be pushed into, where its upstream is pushable; refuses otherwise.
pub(crate) async fn begin_push(name: &RepositoryName, copy: &Copy) -> Result<(), Rejection> {
    let upstream = copy.upstream();
    let refuse = |message: String| Rejection::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message);
    if !copy.is_pushable() {
        return Err(refuse(format!(
            "`{name}` is this registry's copy of what {upstream} has, and takes no pushes; push under another name, or set \
             `pushable = true` in [upstream.\"{upstream}\"] to keep what you push in the place of that"
        )));
    }
    copy.pin().await.map_err(|error| match &error {
        Error::Registry(refused) if matches!(**refused, Refused::OtherOrigin { .. }) => refuse(format!(
            "`{name}` has content that {upstream} gave to this registry's login, and takes no pushes; clear it first: \
             `hythe cache clear {}`",
            copy.name()
        )),
        error => Rejection::upstream(error, ErrorCode::NameUnknown),
    })
}

/// Refuses to tell a client that asks what it need not push of what upstream has, where pushes are taken: it would leave out
/// what is not here, and pin the rest.
pub(crate) fn may_be_pushed(call: &Call<'_>, copy: &Copy) -> Result<(), Rejection> {
    if !copy.is_pushable() || is_only_if_cached(call) {
        return Ok(());
    }
    let message = format!(
        "nothing was pushed to `{}` yet, and its upstream is not asked by a HEAD: it is pushable",
        copy.name()
    );
    Err(Rejection::new(StatusCode::NOT_FOUND, ErrorCode::NameUnknown, message).with_warning())
}

/// A HEAD by path that upstream could not be asked for. It may be a client's that is about to push, and is told why not
/// when it does: 404 lets it go on, where another error would end it without a word, as no HEAD has a body.
pub(crate) fn unanswered(call: &Call<'_>, error: Rejection) -> Rejection {
    let unasked = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    if !unasked.contains(&error.status) || call.foreign || is_only_if_cached(call) {
        return error;
    }
    Rejection { status: StatusCode::NOT_FOUND, ..error }.with_warning()
}
