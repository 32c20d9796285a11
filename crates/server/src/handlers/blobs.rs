//! `/v2/<name>/blobs/<digest>`

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hythe_oci::{ByteRange, Digest, RepositoryName, Selection};
use hythe_registry::{Blob, Content};

use super::{already_has, empty, set, set_digest};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// The bytes of a blob never change.
const FOREVER: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

/// Pull a blob, or a range of it (end-2).
pub(crate) fn blob_get(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let blob = call.app.registry.repository(name).blob(digest);
    respond(call, &blob.map_err(|error| Rejection::registry(&error, Some(name)))?)
}

/// Whether a blob is here; who asks may rely on it, so it is kept for a while (end-2).
pub(crate) async fn blob_head(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let blob = call.app.registry.repository(name).use_blob(digest).await;
    respond(call, &blob.map_err(|error| Rejection::registry(&error, Some(name)))?)
}

/// Delete a blob from the repository (end-10).
pub(crate) async fn blob_delete(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let deleted = call.app.registry.repository(name).delete_blob(digest).await;
    deleted.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// The answer to a GET or HEAD of a blob that is here, or on its way.
pub(super) fn respond(call: &Call<'_>, blob: &Blob) -> Result<Response<Body>, Rejection> {
    if already_has(call.header(header::IF_NONE_MATCH), &blob.digest) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        describe(&mut response, blob);
        return Ok(response);
    }
    // A range of content that the client holds in another version would be of no use to it (RFC 9110, 13.1.5).
    let same = call.header(header::IF_RANGE).is_none_or(|tag| already_has(Some(tag), &blob.digest));
    // Ranges are defined for GET alone (RFC 9110, 14.2): a HEAD tells the whole size, which clients rely on.
    let asked = call.header(header::RANGE).filter(|_| same && *call.method == Method::GET);
    let range = asked.map_or(ByteRange::Whole, ByteRange::parse);
    let (status, start, length) = match range.select(blob.size) {
        Selection::Whole => (StatusCode::OK, 0, blob.size),
        Selection::Part { start, end_inclusive } => {
            (StatusCode::PARTIAL_CONTENT, start, end_inclusive - start + 1)
        }
        Selection::Unsatisfiable => return Err(unsatisfiable(call, blob)),
    };
    let is_head = *call.method == Method::HEAD;
    let mut response = Response::new(match &blob.content {
        // hyper sends none; what may have to be waited for is not begun.
        _ if is_head => Body::empty(),
        Content::File(file) => Body::file(file.clone(), start, length),
        Content::Growing(growing) => Body::growing(growing, start, length),
        // The range was selected within the size, which is the content's.
        Content::Memory(bytes) => Body::bytes(bytes.slice(start as usize..(start + length) as usize)),
    });
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{}", start + length - 1, blob.size);
        set(&mut response, header::CONTENT_RANGE, range);
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    describe(&mut response, blob);
    Ok(response)
}

/// The answer to a HEAD of a blob of which only the length is known.
pub(super) fn respond_size(call: &Call<'_>, digest: Digest, size: u64) -> Result<Response<Body>, Rejection> {
    respond(call, &Blob { digest, size, content: Content::Memory(bytes::Bytes::new()) })
}

fn describe(response: &mut Response<Body>, blob: &Blob) {
    set_digest(response, &blob.digest);
    set(response, header::ETAG, format!("\"{}\"", blob.digest));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FOREVER);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

fn unsatisfiable(call: &Call<'_>, blob: &Blob) -> Rejection {
    let range = call.header(header::RANGE).unwrap_or_default();
    let mut rejection = Rejection::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        hythe_oci::ErrorCode::RangeInvalid,
        format!("range `{range}` is not within the blob's {} bytes", blob.size),
    );
    let whole = HeaderValue::try_from(format!("bytes */{}", blob.size));
    rejection.headers.extend(whole.map(|whole| (header::CONTENT_RANGE, whole)));
    rejection
}
