//! Blobs: `/v2/<name>/blobs/<digest>`

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use hythe_oci::{ByteRanges, Digest, Part, RepositoryName, Selection};
use hythe_registry::{Blob, Content, Reader, Stored};

use super::multipart::{self, content_range};
use super::{already_has, empty, set, set_digest};
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// The `Content-Type` of every blob: the blob's media type stands only in manifests.
const OCTETS: &str = "application/octet-stream";

/// The `Cache-Control` of a blob, whose bytes never change.
const FOREVER: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

/// Pulls a blob, or a range of it (end-2).
pub(crate) async fn blob_get(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let blob = call.repository(name).blob(digest).await;
    respond(call, &blob.map_err(|error| Rejection::registry(&error, Some(name)))?)
}

/// Tells whether the repository has a blob (end-2). Counts as a use, so the blob is kept for a while: the client may
/// rely on the answer, as a push does that skips blobs.
pub(crate) async fn blob_head(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let blob = call.repository(name).use_blob(digest).await;
    respond(call, &blob.map_err(|error| Rejection::registry(&error, Some(name)))?)
}

/// Deletes a blob from the repository (end-10).
pub(crate) async fn blob_delete(
    call: &Call<'_>,
    name: &RepositoryName,
    digest: &Digest,
) -> Result<Response<Body>, Rejection> {
    let deleted = call.repository(name).delete_blob(digest).await;
    deleted.map_err(|error| Rejection::registry(&error, Some(name)))?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// The response to a GET or HEAD of a blob that is stored or being fetched.
pub(super) fn respond(call: &Call<'_>, blob: &Blob) -> Result<Response<Body>, Rejection> {
    if already_has(call.header(header::IF_NONE_MATCH), &blob.digest) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        describe(&mut response, blob);
        return Ok(response);
    }
    // If the client holds part of other content, a range of this blob is useless to it (RFC 9110, 13.1.5).
    let same = call.header(header::IF_RANGE).is_none_or(|tag| already_has(Some(tag), &blob.digest));
    // Ranges are defined only for GET (RFC 9110, 14.2). Clients rely on HEAD to give the whole size.
    let asked = call.header(header::RANGE).filter(|_| same && *call.method == Method::GET);
    let ranges = asked.map_or_else(ByteRanges::default, ByteRanges::parse);
    let whole = Part { start: 0, end_inclusive: blob.size.saturating_sub(1) };
    let mut response = match ranges.select(blob.size) {
        Selection::Unsatisfiable => return Err(unsatisfiable(call, blob)),
        // hyper sends no body for a HEAD, so a body that may have to wait for an upstream is not opened.
        Selection::Whole if blob.size == 0 || *call.method == Method::HEAD => {
            content(Body::empty(), blob.size)
        }
        Selection::Whole => content(Bytes::of(blob).part(whole), blob.size),
        Selection::Part(part) => {
            let mut response = content(Bytes::of(blob).part(part), part.len());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, content_range(part, blob.size));
            response
        }
        Selection::Parts(parts) => {
            let bytes = Bytes::of(blob);
            multipart::respond(&parts, OCTETS, blob.size, |part| bytes.part(part))
        }
    };
    describe(&mut response, blob);
    Ok(response)
}

/// The bytes of a blob, for the body of a response.
enum Bytes {
    Stored(Arc<dyn Stored>),
    Growing(Arc<Reader>),
}

impl Bytes {
    fn of(blob: &Blob) -> Self {
        match &blob.content {
            Content::Stored(stored) => Self::Stored(Arc::clone(stored)),
            // One reader reads all parts of a response.
            Content::Growing(growing) => Self::Growing(Arc::new(growing.reader())),
        }
    }

    /// The body of one part. The part is within the blob's size.
    fn part(&self, part: Part) -> Body {
        match self {
            Self::Stored(stored) => Body::stored(stored, part.start, part.len()),
            Self::Growing(reader) => Body::growing(reader, part.start, part.len()),
        }
    }
}

/// A response with bytes of a blob.
fn content(body: Body, length: u64) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The response to a HEAD of a blob of which only the size is known.
pub(super) fn respond_size(call: &Call<'_>, digest: Digest, size: u64) -> Result<Response<Body>, Rejection> {
    respond(call, &Blob { digest, size, content: bytes::Bytes::new().into() })
}

fn describe(response: &mut Response<Body>, blob: &Blob) {
    set_digest(response, &blob.digest);
    set(response, header::ETAG, format!("\"{}\"", blob.digest));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FOREVER);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

fn unsatisfiable(call: &Call<'_>, blob: &Blob) -> Rejection {
    // Limits the header in the message: some clients ask for hundreds of ranges.
    let range: String = call.header(header::RANGE).unwrap_or_default().chars().take(200).collect();
    let mut rejection = Rejection::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        hythe_oci::ErrorCode::RangeInvalid,
        format!("range `{range}` is outside of the blob, which has {} bytes", blob.size),
    );
    let whole = HeaderValue::try_from(format!("bytes */{}", blob.size));
    rejection.headers.extend(whole.map(|whole| (header::CONTENT_RANGE, whole)));
    rejection
}
