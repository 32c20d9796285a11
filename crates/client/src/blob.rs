//! Blobs of a registry.

use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::{Method, StatusCode};
use hythe_oci::{Digest, RepositoryName, path};

use crate::answer::{Answer, text};
use crate::ask::Ask;
use crate::body::BlobBody;
use crate::client::{Client, Inner};
use crate::error::Error;

/// A blob whose bytes are still arriving. The caller verifies its digest.
#[derive(Debug)]
pub struct BlobAnswer {
    /// The size of the whole blob in bytes, even if the body starts later.
    pub size: Option<u64>,
    /// The bytes from the offset that was asked for.
    pub body: BlobBody,
}

/// The part of a blob that an answer's body holds.
struct Part {
    /// The offset of its first byte.
    start: u64,
    /// The offset behind its last byte.
    end: Option<u64>,
    /// The size of the whole blob.
    size: Option<u64>,
}

impl Client {
    /// Checks that the registry has the blob, and returns its size if the registry tells it. If the registry does not
    /// answer HEAD, or gives no size there, the head of an answer to GET tells.
    pub async fn blob_head(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        let mut ask = self.0.blob(name, digest);
        ask.method = Method::HEAD;
        match self.0.ask(ask).await {
            Ok(answer) => {
                let size = answer.content_length().filter(|size| *size > 0 || is_of_nothing(digest));
                // HEAD has already said that the blob exists, so an error of the GET is ignored.
                Ok(if size.is_some() { size } else { self.size(name, digest).await.ok().flatten() })
            }
            // A registry's 404 for a blob is final. Its 404 for a tag is not.
            Err(error @ Error::NotFound { certain: true, .. }) => Err(error),
            Err(error) if error.is_of_the_way() => self.size(name, digest).await,
            Err(error) => Err(error),
        }
    }

    /// The size of a blob, from an answer to GET: first for its first byte only, or else for the whole blob.
    async fn size(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        let mut ask = self.0.blob(name, digest);
        ask.headers.insert(RANGE, HeaderValue::from_static("bytes=0-0"));
        ask.expected = &[StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
        match self.0.ask(ask).await {
            Ok(answer) => match size(&answer) {
                Some(size) => return Ok(Some(size)),
                None if answer.status() == StatusCode::OK => return Ok(None),
                None => {}
            },
            Err(error) if error.is_of_the_way() => {}
            Err(error) => return Err(error),
        }
        Ok(self.0.ask(self.0.blob(name, digest)).await?.content_length())
    }

    /// Reads a blob from byte `from` on. If the registry ignores or refuses the range, the client reads the whole blob
    /// and throws the bytes before `from` away.
    pub async fn blob(&self, name: &RepositoryName, digest: &Digest, from: u64) -> Result<BlobAnswer, Error> {
        if from > 0 {
            let mut ask = self.0.blob(name, digest);
            ask.headers.extend(HeaderValue::try_from(format!("bytes={from}-")).map(|range| (RANGE, range)));
            ask.expected = &[StatusCode::OK, StatusCode::PARTIAL_CONTENT, StatusCode::RANGE_NOT_SATISFIABLE];
            match self.0.ask(ask).await.and_then(|answer| BlobAnswer::of(answer, from)) {
                Err(error) if error.is_of_the_way() => {}
                answered => return answered,
            }
        }
        self.blob_past(name, digest, from).await
    }

    /// As [`Client::blob`], but requests the whole blob and skips the bytes before `from`.
    pub async fn blob_past(
        &self,
        name: &RepositoryName,
        digest: &Digest,
        from: u64,
    ) -> Result<BlobAnswer, Error> {
        BlobAnswer::of(self.0.ask(self.0.blob(name, digest)).await?, from)
    }
}

impl Inner {
    fn blob(&self, name: &RepositoryName, digest: &Digest) -> Ask {
        let asked = format!("blob `{digest}` of `{name}`");
        self.get(&path::blob(name, digest), name, "*/*", asked)
    }
}

impl BlobAnswer {
    /// The answer's bytes from byte `from` on.
    fn of(answer: Answer, from: u64) -> Result<Self, Error> {
        let part = part(&answer, from)?;
        let body = BlobBody::new(answer, part.start..from, part.end, part.size);
        Ok(Self { size: part.size, body })
    }
}

fn is_of_nothing(digest: &Digest) -> bool {
    Digest::of(digest.algorithm(), b"") == *digest
}

/// The size of the whole blob that the answer's headers give.
fn size(answer: &Answer) -> Option<u64> {
    match answer.status() {
        StatusCode::OK => answer.content_length(),
        _ => text(answer.headers(), CONTENT_RANGE.as_str()).and_then(content_range)?.size,
    }
}

fn part(answer: &Answer, from: u64) -> Result<Part, Error> {
    let range = || text(answer.headers(), CONTENT_RANGE.as_str()).and_then(content_range);
    match answer.status() {
        StatusCode::PARTIAL_CONTENT => {
            let Some(ContentRange { bytes: Some((first, last)), size }) = range() else {
                return Err(answer.subject.protocol("a partial answer without a valid `Content-Range`"));
            };
            if !(first..=last).contains(&from) {
                let reason =
                    format!("it sent bytes {first} to {last}; the request was for bytes from {from} on");
                return Err(answer.subject.protocol(reason));
            }
            Ok(Part { start: first, end: Some(last + 1), size })
        }
        StatusCode::RANGE_NOT_SATISFIABLE => match range() {
            // The caller already has the whole blob.
            Some(ContentRange { bytes: None, size: Some(size) }) if size == from => {
                Ok(Part { start: from, end: Some(from), size: Some(size) })
            }
            Some(ContentRange { size: Some(size), .. }) => Err(fewer(answer, size, from)),
            _ => Err(answer.subject.protocol(format!("the blob has no byte {from}"))),
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
    answer.subject.protocol(format!("the blob has {size} bytes now, but {from} bytes arrived before"))
}

/// A parsed `Content-Range`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    /// The first and the last byte; `None` if the registry sends no part (416).
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
    // `last` stays below `u64::MAX`, so that adding one to either number cannot overflow.
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
