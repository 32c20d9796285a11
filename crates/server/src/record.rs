//! What is known of one request: it becomes one log line and one measurement.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Uri};
use hythe_oci::Endpoint;

use crate::log::Format;

/// The status that is logged where the client went away before there was one.
const CLIENT_GONE: u16 = 499;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// One request, as far as it has come.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) client: SocketAddr,
    pub(crate) started: Instant,
    pub(crate) endpoint: OnceLock<Endpoint>,
    /// Which handler answered, where it is no endpoint of the API.
    pub(crate) page: OnceLock<&'static str>,
    /// What the cache did, and whose content it was.
    pub(crate) cache: OnceLock<(&'static str, String)>,
    /// The error's code and message, where it was one.
    pub(crate) error: OnceLock<String>,
    status: AtomicU16,
    /// How many body bytes the answer has; `u64::MAX` until there is one.
    length: AtomicU64,
}

impl Record {
    pub(crate) fn new(method: Method, uri: Uri, client: SocketAddr) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            method,
            uri,
            client,
            started: Instant::now(),
            endpoint: OnceLock::new(),
            page: OnceLock::new(),
            cache: OnceLock::new(),
            error: OnceLock::new(),
            status: AtomicU16::new(CLIENT_GONE),
            length: AtomicU64::new(u64::MAX),
        }
    }

    /// The answer begins.
    pub(crate) fn answered(&self, status: u16, length: u64) {
        self.status.store(status, Ordering::Relaxed);
        self.length.store(length, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.load(Ordering::Relaxed)
    }

    /// The handler's name, as metrics have it.
    pub(crate) fn handler(&self) -> &'static str {
        match (self.endpoint.get(), self.page.get()) {
            (Some(endpoint), _) => endpoint.kind(),
            (None, Some(page)) => page,
            (None, None) => "none",
        }
    }

    /// The id as clients see it in `X-Request-Id`.
    pub(crate) fn id_text(&self) -> String {
        format!("{:08x}", self.id)
    }

    /// One line, with its line feed.
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
                // Whole numbers are written in a third of the time.
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
                let _ = write!(line, " client={} id={:08x}", self.client, self.id);
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
                    "client": self.client.to_string(), "id": self.id_text(),
                    "aborted": aborted, "error": error,
                });
                line.push_str(&object.to_string());
            }
        }
        line.push('\n');
        line
    }
}

/// A path as it is logged: what is not ASCII, and may end a line or steer a terminal, as it would stand in a URL.
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
    fn what_steers_a_terminal_is_logged_as_in_a_url() {
        assert_eq!(printable("/v2/a?n=1"), "/v2/a?n=1");
        assert_eq!(printable("/x\u{9b}2J\u{2028}"), "/x%C2%9B2J%E2%80%A8");
    }
}
