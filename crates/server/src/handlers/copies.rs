//! Manifests and blobs of repositories that are copies of an upstream's.

use http::{Method, Response, StatusCode};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName};
use hythe_upstream::{Copy, Error, Via};

use super::{blobs, manifests};
use crate::call::Call;
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
    if *call.method == Method::GET {
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

/// Nothing is pushed into a copy.
pub(crate) fn push(name: &RepositoryName, copy: &Copy) -> Result<Response<Body>, Rejection> {
    let upstream = copy.upstream();
    Err(Rejection::new(
        StatusCode::FORBIDDEN,
        ErrorCode::Denied,
        format!(
            "`{name}` is this registry's copy of what {upstream} has, and takes no pushes; push under another name"
        ),
    ))
}
