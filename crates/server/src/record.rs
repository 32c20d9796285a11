//! The record of one request: it becomes one log line and one measurement.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{Method, Uri};
use hythe_auth::Subject;
use hythe_oci::Endpoint;

use crate::log::Format;
use crate::tls::ClientCertificate;

/// The logged status of a request whose client disconnected before the response began.
const CLIENT_GONE: u16 = 499;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One request, filled in while it is handled.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) client: SocketAddr,
    /// The client's verified certificate, if it sent one.
    certificate: Option<Arc<ClientCertificate>>,
    pub(crate) started: Instant,
    pub(crate) endpoint: OnceLock<Endpoint>,
    /// The handler's name, if the path is not an endpoint of the API.
    pub(crate) page: OnceLock<&'static str>,
    /// How the cache produced the response, and the upstream of its content.
    pub(crate) cache: OnceLock<(&'static str, String)>,
    /// The client, if it has proved who it is.
    pub(crate) user: OnceLock<Arc<Subject>>,
    /// The code and message of an error response.
    pub(crate) error: OnceLock<String>,
    status: AtomicU16,
    /// The length of the response's body, in bytes; `u64::MAX` until the response begins.
    length: AtomicU64,
}

impl Record {
    pub(crate) fn new(
        method: Method,
        uri: Uri,
        client: SocketAddr,
        certificate: Option<Arc<ClientCertificate>>,
    ) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            method,
            uri,
            client,
            certificate,
            started: Instant::now(),
            endpoint: OnceLock::new(),
            page: OnceLock::new(),
            cache: OnceLock::new(),
            user: OnceLock::new(),
            error: OnceLock::new(),
            status: AtomicU16::new(CLIENT_GONE),
            length: AtomicU64::new(u64::MAX),
        }
    }

    /// Records that the response begins.
    pub(crate) fn answered(&self, status: u16, length: u64) {
        self.status.store(status, Ordering::Relaxed);
        self.length.store(length, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.load(Ordering::Relaxed)
    }

    /// The handler's name in metrics.
    pub(crate) fn handler(&self) -> &'static str {
        match (self.endpoint.get(), self.page.get()) {
            (Some(endpoint), _) => endpoint.kind(),
            (None, Some(page)) => page,
            (None, None) => "none",
        }
    }

    /// The id in the form of `X-Request-Id`.
    pub(crate) fn id_text(&self) -> String {
        format!("{:08x}", self.id)
    }

    /// The log line, with its line feed.
    pub(crate) fn line(&self, format: Format, sent: u64, took: Duration) -> String {
        let aborted = sent < self.length.load(Ordering::Relaxed);
        let endpoint = self.endpoint.get();
        let repository = endpoint.and_then(Endpoint::name);
        let reference: Option<&dyn Display> = match endpoint {
            Some(Endpoint::Manifest { reference, .. }) => Some(reference),
            Some(Endpoint::Blob { digest, .. } | Endpoint::Referrers { digest, .. }) => Some(digest),
            Some(Endpoint::Upload { id, .. }) => Some(id),
            _ => None,
        };
        let time = humantime::format_rfc3339_millis(crate::time::now());
        let path = self.uri.path_and_query().map_or(self.uri.path(), http::uri::PathAndQuery::as_str);
        let path = printable(path);
        let status = self.status();
        let error = self.error.get();
        let level = if status >= 500 { "ERROR" } else { "INFO" };
        let mut line = String::with_capacity(320);
        match format {
            Format::Text => {
                // Formatting integers takes a third of the time of formatting a float.
                let tenths = (took.as_micros() + 50) / 100;
                let (millis, tenth) = (tenths / 10, tenths % 10);
                let _ = write!(
                    line,
                    "{time} {level:>5} {} {path} {status} {sent}B {millis}.{tenth}ms",
                    self.method
                );
                if let Some(repository) = repository {
                    let _ = write!(line, " repo={repository}");
                }
                if let Some(reference) = reference {
                    let _ = write!(line, " ref={reference}");
                }
                if let Some((word, upstream)) = self.cache.get() {
                    let _ = write!(line, " cache={word} upstream={upstream}");
                }
                if let Some(user) = self.user.get() {
                    let _ = write!(line, " user={user}");
                }
                let _ = write!(line, " client={} id={:08x}", self.client, self.id);
                if let Some(certificate) = &self.certificate {
                    let _ = write!(line, " certificate={:?}", certificate.to_string());
                }
                if aborted {
                    line.push_str(" aborted=true");
                }
                if let Some(error) = error {
                    let _ = write!(line, " error={error:?}");
                }
            }
            Format::Json => {
                let object = serde_json::json!({
                    "time": time.to_string(), "level": level, "message": "request",
                    "method": self.method.as_str(), "path": path, "status": status, "bytes": sent,
                    "duration_ms": (took.as_secs_f64() * 1e6).round() / 1e3,
                    "cache": self.cache.get().map(|(word, _)| word),
                    "upstream": self.cache.get().map(|(_, upstream)| upstream),
                    "repository": repository, "reference": reference.map(ToString::to_string),
                    "user": self.user.get().map(ToString::to_string),
                    "client": self.client.to_string(), "id": self.id_text(),
                    "certificate": self.certificate.as_ref().map(ToString::to_string),
                    "aborted": aborted, "error": error,
                });
                line.push_str(&object.to_string());
            }
        }
        line.push('\n');
        line
    }
}

/// A path for the log. Bytes that are not ASCII could end a line or control a terminal, so they are percent-encoded.
fn printable(path: &str) -> Cow<'_, str> {
    if path.is_ascii() {
        return path.into();
    }
    let mut text = String::with_capacity(3 * path.len());
    for byte in path.bytes() {
        if byte.is_ascii() {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_terminals_are_logged_percent_encoded() {
        assert_eq!(printable("/v2/a?n=1"), "/v2/a?n=1");
        assert_eq!(printable("/x\u{9b}2J\u{2028}"), "/x%C2%9B2J%E2%80%A8");
    }
}
