//! Responses with several parts of one body (RFC 9110, 14.6).

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use hythe_oci::Part;

use super::set;
use crate::plane::Body;

/// The value of `Content-Range`.
pub(super) fn content_range(part: Part, size: u64) -> String {
    format!("bytes {}-{}/{size}", part.start, part.end_inclusive)
}

/// A response with these parts of a body of `size` bytes, in this order.
pub(super) fn respond(
    parts: &[Part],
    media_type: &'static str,
    size: u64,
    body_of: impl Fn(Part) -> Body,
) -> Response<Body> {
    let boundary = boundary();
    let mut bodies = Vec::with_capacity(2 * parts.len() + 1);
    let mut length = 0;
    let mut before = "";
    for part in parts {
        let range = content_range(*part, size);
        let head =
            format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range}\r\n\r\n");
        length += head.len() as u64 + part.len();
        bodies.push(Body::bytes(head));
        bodies.push(body_of(*part));
        before = "\r\n";
    }
    let end = format!("\r\n--{boundary}--\r\n");
    length += end.len() as u64;
    bodies.push(Body::bytes(end));
    let mut response = Response::new(Body::series(bodies));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    set(&mut response, header::CONTENT_TYPE, format!("multipart/byteranges; boundary={boundary}"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// A random boundary between the parts. Its source is the hasher's key, which the system draws at random, so a client
/// cannot have pushed bytes that contain the boundary.
fn boundary() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", random(), random())
}
