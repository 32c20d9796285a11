//! Blobs of an upstream.

use http::header::{CONTENT_RANGE, HeaderValue, RANGE};
use http::{Method, StatusCode};
use hythe_oci::{Digest, RepositoryName, path};

use crate::answer::{Answer, text};
use crate::ask::Ask;
use crate::body::BlobBody;
use crate::client::{Client, Inner};
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
    /// Whether there is such a blob; its size, where the upstream says. Where it does not answer HEAD, or does not say it
    /// there, the head of an answer to GET tells.
    pub async fn blob_head(&self, name: &RepositoryName, digest: &Digest) -> Result<Option<u64>, Error> {
        let mut ask = self.0.blob(name, digest);
        ask.method = Method::HEAD;
        match self.0.ask(ask).await {
            Ok(answer) => {
                let size = answer.content_length().filter(|size| *size > 0 || is_of_nothing(digest));
                // That it is there has been said.
                Ok(if size.is_some() { size } else { self.size(name, digest).await.ok().flatten() })
            }
            // A registry that says of a blob that there is none is believed, as of tags it is not.
            Err(error @ Error::NotFound { certain: true, .. }) => Err(error),
            Err(error) if error.is_of_the_way() => self.size(name, digest).await,
            Err(error) => Err(error),
        }
    }

    /// The size of a blob as an answer to GET says it: one for its first byte, or else for all of it.
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

    /// A blob from byte `from` on. Of an upstream that ignores the range, or refuses it, what comes before is read and
    /// thrown away.
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

    /// The same without asking for a part.
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
    fn blob<'a>(&self, name: &'a RepositoryName, digest: &Digest) -> Ask<'a> {
        let asked = format!("blob `{digest}` of `{name}`");
        self.get(&path::blob(name, digest), name, "*/*", asked)
    }
}

impl BlobAnswer {
    /// What an answer has from byte `from` on.
    fn of(answer: Answer, from: u64) -> Result<Self, Error> {
        let part = part(&answer, from)?;
        let body = BlobBody::new(answer, part.start..from, part.end, part.size);
        Ok(Self { size: part.size, body })
    }
}

fn is_of_nothing(digest: &Digest) -> bool {
    Digest::of(digest.algorithm(), b"") == *digest
}

/// The size of the whole blob, as an answer says it.
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
