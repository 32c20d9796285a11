//! Uploads: `/v2/<name>/blobs/uploads/` and the sessions below that path

use http::header::{self, HeaderName};
use http::{Response, StatusCode};
use hythe_oci::header::DOCKER_UPLOAD_UUID;
use hythe_oci::{Algorithm, ChunkRange, Digest, ErrorCode, RepositoryName, UploadId, path};
use hythe_registry::{Chunk, Error, Started, UploadStatus};

use super::{empty, set, set_digest};
use crate::call::Call;
use crate::plane::{Body, RequestBody};
use crate::reject::Rejection;
use crate::request::digest_parameter;

/// Starts an upload (end-4a), with another algorithm (end-4c), pushes a blob in one request (end-4b), or mounts a blob
/// from another repository (end-11).
pub(crate) async fn upload_start(
    call: &Call<'_>,
    name: &RepositoryName,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let refuse = |error: Error| Rejection::registry(&error, Some(name));
    let repository = call.repository(name);
    if let Some((digest, from)) = &call.mount {
        return Ok(match repository.mount_blob(digest, from.clone()).await.map_err(refuse)? {
            Started::Mounted(digest) => created(name, &digest),
            Started::Session(status) => session(StatusCode::ACCEPTED, name, status),
        });
    }
    if let Some(digest) = digest_parameter(&call.query, "digest")? {
        let length = body.length();
        repository.push_blob(digest, length, body).await.map_err(refuse)?;
        return Ok(created(name, &digest));
    }
    let algorithm = match call.query.first("digest-algorithm") {
        Some(algorithm) => algorithm.parse::<Algorithm>().map_err(|error| {
            Rejection::parameter(ErrorCode::DigestInvalid, format!("parameter `digest-algorithm`: {error}"))
        })?,
        None => Algorithm::default(),
    };
    let status = repository.start_upload(algorithm).await.map_err(refuse)?;
    Ok(session(StatusCode::ACCEPTED, name, status))
}

/// Tells how many bytes a session has (end-13).
pub(crate) async fn upload_status(
    call: &Call<'_>,
    name: &RepositoryName,
    id: UploadId,
) -> Result<Response<Body>, Rejection> {
    let status = call.repository(name).upload_status(id).await;
    let status = status.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(session(StatusCode::NO_CONTENT, name, status))
}

/// Appends a chunk (end-5), or the whole blob as a stream of unknown length.
pub(crate) async fn upload_append(
    call: &Call<'_>,
    name: &RepositoryName,
    id: UploadId,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let chunk = chunk(call, &body)?;
    let status = call.repository(name).append(id, chunk, body).await;
    let status = status.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(session(StatusCode::ACCEPTED, name, status))
}

/// Finishes an upload, with or without a last chunk (end-6).
pub(crate) async fn upload_finish(
    call: &Call<'_>,
    name: &RepositoryName,
    id: UploadId,
    body: RequestBody,
) -> Result<Response<Body>, Rejection> {
    let digest = digest_parameter(&call.query, "digest")?.ok_or_else(|| {
        let message = "parameter `digest` is missing: to finish an upload, give the digest of the whole blob";
        Rejection::parameter(ErrorCode::DigestInvalid, message)
    })?;
    let chunk = chunk(call, &body)?;
    let finished = call.repository(name).finish_upload(id, digest, chunk, body).await;
    finished.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(created(name, &digest))
}

/// Cancels an upload (end-14).
pub(crate) async fn upload_cancel(
    call: &Call<'_>,
    name: &RepositoryName,
    id: UploadId,
) -> Result<Response<Body>, Rejection> {
    let cancelled = call.repository(name).cancel_upload(id).await;
    cancelled.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn chunk(call: &Call<'_>, body: &RequestBody) -> Result<Chunk, Rejection> {
    let length = body.length();
    let Some(text) = call.headers.get(header::CONTENT_RANGE) else {
        return Ok(Chunk { length, ..Chunk::default() });
    };
    let text = String::from_utf8_lossy(text.as_bytes());
    let range: ChunkRange = text.parse().map_err(|error| {
        let message = format!("header `Content-Range`: {error}");
        Rejection::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::BlobUploadInvalid, message)
    })?;
    Ok(Chunk { start: Some(range.start()), range_length: Some(range.len()), length })
}

/// A response with a session's location and offset. `Location` is relative, so that a client behind a proxy or a
/// published port keeps the address that works for it.
fn session(status: StatusCode, name: &RepositoryName, upload: UploadStatus) -> Response<Body> {
    let mut response = empty(status);
    set(&mut response, header::LOCATION, path::upload(name, &upload.id));
    // Clients expect `0-0` for a session without bytes.
    set(&mut response, header::RANGE, format!("0-{}", upload.offset.saturating_sub(1)));
    set(&mut response, HeaderName::from_static(DOCKER_UPLOAD_UUID), upload.id.to_string());
    response
}

fn created(name: &RepositoryName, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, header::LOCATION, path::blob(name, digest));
    set_digest(&mut response, digest);
    response
}
