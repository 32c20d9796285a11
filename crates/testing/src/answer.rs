//! A registry's answer, with assertions about it.

use hythe_oci::{Digest, ErrorBody, ErrorCode};
use serde_json::Value;

/// An answer, read to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers in the order of the answer; names are lower-case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self { status, headers: headers.collect::<Option<_>>()?, body: Vec::new() })
    }

    /// The first value of a header; `name` is lower-case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a header; `name` is lower-case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Asserts the status, and returns the answer.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Asserts the status and the code of the answer's only error, and returns its message.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: ErrorCode) -> String {
        assert_eq!(self.status, status, "{self}");
        let body: ErrorBody = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not the specification's ({error}): {self}"));
        let [error] = &body.errors[..] else { panic!("one error was expected: {self}") };
        assert_eq!(error.known_code(), Some(code), "{self}");
        error.message.clone()
    }

    /// A header that must be there; `name` is lower-case.
    #[track_caller]
    pub fn expect_header(&self, name: &str) -> &str {
        let Some(value) = self.header(name) else { panic!("header `{name}` is missing: {self}") };
        value
    }

    /// The answer's `Location`.
    #[track_caller]
    pub fn location(&self) -> String {
        self.expect_header("location").to_owned()
    }

    /// The answer's `Docker-Content-Digest`.
    #[track_caller]
    pub fn digest(&self) -> Digest {
        let digest = self.expect_header("docker-content-digest");
        digest.parse().unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON ({error}): {self}"))
    }

    /// The link to the next page (RFC 8288), if there is one.
    #[track_caller]
    pub fn next_page(&self) -> Option<String> {
        let link = self.header("link")?;
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        let Some(target) = target else { panic!("`Link: {link}` is not of the form `<…>; rel=\"next\"`") };
        Some(target.to_owned())
    }
}

/// The whole answer, for the message of a test that fails.
impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let shown = self.body.len().min(2000);
        write!(f, "\n{}", String::from_utf8_lossy(&self.body[..shown]))
    }
}
