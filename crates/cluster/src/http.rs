//! Sends a request to a registry by plain HTTP. It uses HTTP/1.0, in which an answer ends with its connection.

pub(crate) mod inside;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read at most; manifests and lists are smaller.
const MOST: u64 = 8 << 20;
/// The media types of manifests, as in containerd's `Accept` header.
pub(crate) const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, */*";

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Silence {
    #[error("connection refused")]
    Refused,
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error("no such host")]
    NoSuchName,
    #[error("no route to the host")]
    NoRoute,
    #[error("{0}")]
    Failed(String),
    /// The node has no program that can make a request.
    #[error("the node has neither curl nor bash nor wget")]
    NoTool,
}

impl Answer {
    /// Parses the bytes that came over a connection; none if they are not HTTP.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 4..]));
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_lowercase(), value.trim().to_owned()))
        });
        Some(Self { status, headers: headers.collect(), body: body.to_owned() })
    }

    /// The value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The answer's status and first error, as one clause.
    pub(crate) fn clause(&self) -> String {
        let errors: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let first = errors.as_ref().and_then(|errors| errors.pointer("/errors/0"));
        let text = |key: &str| first.and_then(|error| error.get(key)?.as_str());
        let code = text("code").map_or_else(String::new, |code| format!(" {code}"));
        let message = text("message").map_or_else(String::new, |message| format!(": {message}"));
        let cache = self.header("x-cache").map_or_else(String::new, |cache| format!(", X-Cache: {cache}"));
        format!("{}{code}{message}{cache}", self.status)
    }

    /// The answer's body, if it is JSON.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// The bytes of a request.
pub(crate) fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: hythe-doctor\r\n");
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        text.push_str("Content-Length: ");
        text.push_str(&body.len().to_string());
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Sends a request to an address of this machine.
pub(crate) async fn ask(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, Silence> {
    let host = format!("localhost:{}", at.port());
    let request = request(method, path, &host, headers, body);
    let exchange = async {
        let mut stream = TcpStream::connect(at).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Silence::Refused,
            _ => Silence::Failed(error.to_string()),
        })?;
        let failed = |error: std::io::Error| Silence::Failed(error.to_string());
        stream.write_all(&request).await.map_err(failed)?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await.map_err(failed)?;
        let strange = || Silence::Failed("the answer is not HTTP".to_owned());
        Answer::parse(&answer).ok_or_else(strange)
    };
    timeout(PATIENCE, exchange).await.unwrap_or(Err(Silence::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_headers_and_a_body() {
        let text = b"HTTP/1.1 404 Not Found\r\nServer: AirTunes/845.5.1\r\nX-Cache: MISS\r\n\r\n\
            {\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"no such manifest\"}]}";
        let answer = Answer::parse(text).unwrap();
        assert_eq!((answer.status, answer.header("server")), (404, Some("AirTunes/845.5.1")));
        assert_eq!(answer.clause(), "404 MANIFEST_UNKNOWN: no such manifest, X-Cache: MISS");
        assert_eq!(Answer::parse(b"HTTP/2 200\r\n").unwrap().clause(), "200");
        assert_eq!(Answer::parse(b"SSH-2.0-OpenSSH_9.2\r\n"), None);
        assert_eq!(Answer::parse(b""), None);
    }

    #[test]
    fn a_request_ends_its_head_and_has_the_length_of_its_body() {
        let text = request("PUT", "/v2/", "localhost:1", &[("Accept", "x")], b"ab");
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("PUT /v2/ HTTP/1.0\r\nHost: localhost:1\r\n"), "{text}");
        assert!(text.ends_with("Accept: x\r\nContent-Length: 2\r\n\r\nab"), "{text}");
        assert!(!String::from_utf8(request("GET", "/", "h", &[], b"")).unwrap().contains("Length"));
    }
}
