//! Manifests: `/v2/<name>/manifests/<reference>`

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use hythe_oci::header::{OCI_SUBJECT, OCI_TAG};
use hythe_oci::{Digest, ErrorCode, Reference, RepositoryName, Tag, path};
use hythe_registry::{Error, Manifest};

use super::{already_has, empty, set, set_digest};
use crate::call::Call;
use crate::plane::{Body, CollectError, RequestBody};
use crate::reject::Rejection;

/// The most tags in one push; the specification requires at least ten.
const MOST_TAGS: usize = 100;

/// Pulls a manifest, or tells whether the repository has it (end-3). Ignores `Accept`: a manifest has only the type
/// that it was pushed with.
pub(crate) async fn manifest_get(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response<Body>, Rejection> {
    let refuse = |error: Error| Rejection::registry(&error, Some(name));
    let repository = call.repository(name);
    let manifest = match reference {
        // A HEAD by digest counts as a use, so the manifest is kept for a while: the client may rely on the answer. A
        // tagged manifest is kept anyway.
        Reference::Digest(_) if *call.method == Method::HEAD => repository.use_manifest(reference).await,
        _ => repository.manifest(reference).await,
    };
    let manifest = manifest.map_err(refuse)?;
    repository.record_pull(reference, &manifest, *call.method == Method::GET);
    let bytes = async { repository.manifest_bytes(&manifest).await.map_err(refuse) };
    respond(call, &manifest, bytes).await
}

/// The response to a GET or HEAD of a manifest. Awaits `bytes` only if the response has a body.
pub(super) async fn respond(
    call: &Call<'_>,
    manifest: &Manifest,
    bytes: impl Future<Output = Result<Bytes, Rejection>>,
) -> Result<Response<Body>, Rejection> {
    let mut response = if already_has(call.header(header::IF_NONE_MATCH), &manifest.digest) {
        empty(StatusCode::NOT_MODIFIED)
    } else if *call.method == Method::HEAD {
        Response::new(Body::empty())
    } else {
        Response::new(Body::bytes(bytes.await?))
    };
    if response.status() == StatusCode::OK {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(manifest.size));
        // The media type is a valid header value: it was pushed in a header, or is one of this registry's own list.
        headers
            .extend(HeaderValue::try_from(&manifest.media_type).map(|value| (header::CONTENT_TYPE, value)));
    }
    set_digest(&mut response, &manifest.digest);
    set(&mut response, header::ETAG, format!("\"{}\"", manifest.digest));
    Ok(response)
}

/// Pushes a manifest (end-7a), with `?tag=` under several tags at once (end-7b).
pub(crate) async fn manifest_put(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in call.query.all("tag") {
        let tag = tag
            .parse::<Tag>()
            .map_err(|error| Rejection::parameter(ErrorCode::TagInvalid, error.to_string()))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MOST_TAGS {
        let message = format!("the push has {} tags; at most {MOST_TAGS} are allowed", tags.len());
        return Err(Rejection::new(StatusCode::URI_TOO_LONG, ErrorCode::TagInvalid, message));
    }
    let limit = call.app.registry.options().manifest_max_size;
    // `_part` holds the manifest's memory until the manifest is stored.
    let collected = body.collect(limit, &call.app.manifest_room).await;
    let (bytes, _part) = collected.map_err(|error| match error {
        CollectError::TooLong => Rejection::registry(&Error::ManifestTooLarge { limit }, None),
        CollectError::Body(error) => Rejection::registry(&Error::Body(error), None),
        CollectError::Crowded => Rejection::manifests_crowded(),
    })?;
    let content_type = call.header(header::CONTENT_TYPE);
    let pushed = call.repository(name).push_manifest(reference, tags.clone(), content_type, bytes).await;
    let pushed = pushed.map_err(|error| Rejection::registry(&error, Some(name)))?;
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, path::manifest(name, &Reference::Digest(pushed.digest)));
    set_digest(&mut response, &pushed.digest);
    if let Some(subject) = pushed.subject {
        set(&mut response, HeaderName::from_static(OCI_SUBJECT), subject.to_string());
    }
    if !pushed.missing.is_empty() {
        set(&mut response, header::WARNING, missing_blobs(name, &pushed.missing));
    }
    for tag in tags {
        set(&mut response, HeaderName::from_static(OCI_TAG), tag.to_string());
    }
    Ok(response)
}

/// The warning that the repository lacks blobs of a stored manifest. Sixteen of the longest digests, with the longest
/// name, stay within a warning's limit of 4096 bytes (distribution-spec, Warnings).
fn missing_blobs(name: &RepositoryName, missing: &[Digest]) -> String {
    const NAMED: usize = 16;
    let named: Vec<String> = missing.iter().take(NAMED).map(Digest::to_string).collect();
    let more = match missing.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (count, named) = (missing.len(), named.join(", "));
    format!("299 - \"{count} blob(s) of this manifest are not in `{name}`: {named}{more}\"")
}

/// Deletes a tag, or a manifest with its tags (end-9).
pub(crate) async fn manifest_delete(
    call: &Call<'_>,
    name: &RepositoryName,
    reference: &Reference,
) -> Result<Response<Body>, Rejection> {
    let deleted = call.repository(name).delete_manifest(reference).await;
    deleted.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(empty(StatusCode::ACCEPTED))
}
