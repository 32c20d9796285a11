//! The requests that a scripted upstream received.

use hythe_oci::{Digest, Endpoint, Reference};

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, and the query if there is one.
    pub target: String,
    /// The headers in the order of the request; names are lower-case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// Parses the head up to the empty line; the body is still to be read.
    pub(super) fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let (method, rest) = lines.next()?.split_once(' ')?;
        let target = rest.strip_suffix(" HTTP/1.1")?;
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: headers.collect::<Option<_>>()?,
            body: Vec::new(),
        })
    }

    /// The first value of a header; `name` is lower-case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The text after the `?`.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The digest that its path names.
    pub(super) fn digest(&self) -> Option<Digest> {
        match Endpoint::parse(self.path()).ok()? {
            Endpoint::Blob { digest, .. }
            | Endpoint::Referrers { digest, .. }
            | Endpoint::Manifest { reference: Reference::Digest(digest), .. } => Some(digest),
            Endpoint::Root
            | Endpoint::Base
            | Endpoint::Catalog
            | Endpoint::Extensions
            | Endpoint::Tags { .. }
            | Endpoint::Manifest { reference: Reference::Tag(_), .. }
            | Endpoint::Uploads { .. }
            | Endpoint::Upload { .. } => None,
        }
    }

    pub(super) fn is_last(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}
