//! Blobs of an upstream.

use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::{Method, StatusCode};
use hythe_oci::{Digest, RepositoryName, path};

use crate::answer::{Answer, text};
use crate::body::BlobBody;
use crate::client::Client;
use crate::error::Error;

/// A blob on its way. Its digest is the caller's to verify.
#[derive(Debug)]
pub struct BlobAnswer {
    /// How many bytes the whole blob has, wherever the body starts.
    pub size: Option<u64>,
    /// The bytes from the offset that was asked for.
    pub body: BlobBody,
}

/// A body as the upstream sends it.
struct Part {
    /// The offset of its first byte.
    start: u64,
    /// The offset behind its last byte.
    end: Option<u64>,
    /// The size of the whole blob.
    size: Option<u64>,
}

impl Client {
    /// Whether there is such a blob; its size, where the upstream says.
    pub async fn blob_head(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        let asked = format!("blob `{digest}` of `{name}`");
        let mut ask = self.0.get(&path::blob(name, digest), name, "*/*", asked);
        ask.method = Method::HEAD;
        Ok(self.0.ask(ask).await?.content_length())
    }

    /// A blob from byte `from` on. Of an upstream that ignores the range, what comes before is read and thrown away.
    pub async fn blob(&self, name: &RepositoryName, digest: &Digest, from: u64) -> Result<BlobAnswer, Error> {
        let asked = format!("blob `{digest}` of `{name}`");
        let mut ask = self.0.get(&path::blob(name, digest), name, "*/*", asked);
        if from > 0 {
            ask.headers.extend(HeaderValue::try_from(format!("bytes={from}-")).map(|range| (RANGE, range)));
            ask.expected = &[StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
        }
        let answer = self.0.ask(ask).await?;
        let part = part(&answer, from)?;
        let body = BlobBody::new(answer, part.start..from, part.end, part.size);
        Ok(BlobAnswer { size: part.size, body })
    }
}

fn part(answer: &Answer, from: u64) -> Result<Part, Error> {
    let range = || text(answer.headers(), CONTENT_RANGE.as_str()).and_then(content_range);
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {
            let Some(ContentRange { bytes: Some((first, last)), size }) = range() else {
                return Err(answer.subject.protocol("a part that does not say which"));
            };
            if !(first..=last).contains(&from) {
                let reason = format!("bytes {first} to {last}, when those from {from} were asked for");
                return Err(answer.subject.protocol(reason));
            }
            Ok(Part { start: first, end: Some(last + 1), size })
        }
        StatusCode::RANGE_NOT_SATISFIABLE => match range() {
            // All that there is had come before.
            Some(ContentRange { bytes: None, size: Some(size) }) if size == from => {
                Ok(Part { start: from, end: Some(from), size: Some(size) })
            }
            Some(ContentRange { size: Some(size), .. }) => Err(fewer(answer, size, from)),
            _ => Err(answer.subject.protocol(format!("it has no byte {from}"))),
        },
        _ => {
            let size = answer.content_length();
            if let Some(size) = size.filter(|size| *size < from) {
                return Err(fewer(answer, size, from));
            }
            Ok(Part { start: 0, end: size, size })
        }
    }
}

fn fewer(answer: &Answer, size: u64, from: u64) -> Error {
    answer.subject.protocol(format!("it has {size} bytes, when {from} of them had come before"))
}

/// What a `Content-Range` says.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    /// The first and the last byte, unless there was none to send.
    bytes: Option<(u64, u64)>,
    size: Option<u64>,
}

/// `bytes 5-9/10`, `bytes 5-9/*`, `bytes */10` (RFC 9110, 14.4).
fn content_range(text: &str) -> Option<ContentRange> {
    let (bytes, size) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let size = if size == "*" { None } else { Some(size.parse().ok()?) };
    if bytes == "*" {
        return Some(ContentRange { bytes: None, size });
    }
    let (first, last) = bytes.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    // No blob reaches the end of `u64`: one may be added to each.
    let sound = first <= last && last < size.unwrap_or(u64::MAX);
    sound.then_some(ContentRange { bytes: Some((first, last)), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        for (text, expected) in [
            ("bytes 5-9/10", Some((Some((5, 9)), Some(10)))),
            ("bytes 0-0/1", Some((Some((0, 0)), Some(1)))),
            ("bytes 5-9/*", Some((Some((5, 9)), None))),
            ("bytes */10", Some((None, Some(10)))),
            ("bytes */*", Some((None, None))),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 5-9", None),
            ("lines 5-9/10", None),
            ("5-9/10", None),
            ("", None),
        ] {
            let expected = expected.map(|(bytes, size)| ContentRange { bytes, size });
            assert_eq!(content_range(text), expected, "{text}");
        }
    }
}
