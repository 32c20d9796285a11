//! The answer of a scripted upstream before its fault is applied.

use std::ops::Range;
use std::sync::Arc;

use hythe_oci::header::DOCKER_CONTENT_DIGEST;
use hythe_oci::{Algorithm, Digest, ErrorCode};
use serde_json::Value;

use super::rule::Fault;

/// An answer. It shares the bytes of the content.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    bytes: Arc<[u8]>,
    range: Range<usize>,
    /// Whether it is a manifest or blob: only those count in `body_bytes_sent`.
    pub(super) is_content: bool,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), bytes: Arc::default(), range: 0..0, is_content: false }
    }

    pub(super) fn error(status: u16, code: ErrorCode, message: &str) -> Self {
        Self::new(status).header("content-type", "application/json").body(code.body(message, None))
    }

    pub(super) fn json(media_type: &str, value: &Value) -> Self {
        Self::new(200).header("content-type", media_type).body(value.to_string())
    }

    /// A manifest or blob.
    pub(super) fn content(media_type: &str, digest: Digest, bytes: Arc<[u8]>) -> Self {
        let reply = Self::new(200).header("content-type", media_type).header(DOCKER_CONTENT_DIGEST, digest);
        Self { range: 0..bytes.len(), bytes, is_content: true, ..reply }
    }

    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let bytes: Arc<[u8]> = body.into().into();
        Self { range: 0..bytes.len(), bytes, ..self }
    }

    /// Reduces it to a part; both ends are inclusive.
    pub(super) fn part(self, start: u64, end: u64) -> Self {
        let content_range = format!("bytes {start}-{end}/{}", self.bytes.len());
        let reply = self.header("content-range", content_range);
        Self { status: 206, range: start as usize..end as usize + 1, ..reply }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The answer that the fault itself defines, if it does.
    pub(super) fn scripted(fault: &Fault, target: &str, digest: Option<Digest>) -> Option<Self> {
        match fault {
            Fault::Status { status, headers, body } => {
                let reply = Self { headers: headers.clone(), ..Self::new(*status) };
                Some(reply.body(body.as_str()))
            }
            Fault::Redirect { status, location } => {
                let hex = digest.map(|digest| digest.hex()).unwrap_or_default();
                let location = location.replace("{hex}", &hex).replace("{target}", target);
                Some(Self::new(*status).header("location", location))
            }
            _ => None,
        }
    }

    /// Removes or falsifies the headers that the fault says.
    pub(super) fn spoilt(mut self, fault: &Fault) -> Self {
        let wrong = Digest::of(Algorithm::Sha256, b"other content");
        match fault {
            Fault::NoDigest => self.headers.retain(|(name, _)| name != DOCKER_CONTENT_DIGEST),
            Fault::NoContentType => self.headers.retain(|(name, _)| name != "content-type"),
            Fault::WrongDigestHeader => {
                for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == DOCKER_CONTENT_DIGEST) {
                    *value = wrong.to_string();
                }
            }
            _ => {}
        }
        self
    }
}
