//! The faults of an upstream, and the requests that they apply to.

use std::time::Duration;

use crate::Seen;

/// A fault for the requests that it matches. A request without the required credentials uses up no rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only requests with this method; `None` for all.
    pub method: Option<&'static str>,
    /// Only requests whose target contains this.
    pub contains: String,
    /// How many more requests it applies to; `None` for all.
    pub times: Option<usize>,
    /// The fault.
    pub fault: Fault,
}

/// A fault of an answer. Positions count the bytes of that answer's body, which is a part of the blob for a request
/// with `Range`. An answer to `HEAD` has no body, so faults of the body do not affect it.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Sends this answer instead.
    Status {
        /// The status code.
        status: u16,
        /// All headers; a missing `Content-Length` is added.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Announces the right length and closes (FIN) after `at` bytes. With `at` beyond the end it acts like an upstream
    /// that tires of a connection: a whole answer, then a close without notice.
    Truncate {
        /// How many bytes are sent.
        at: u64,
    },
    /// Announces the right length and resets (RST) after `at` bytes, once the client has received them.
    Reset {
        /// How many bytes are sent.
        at: u64,
    },
    /// Flips each bit of one byte.
    WrongByte {
        /// The position of the byte.
        at: u64,
    },
    /// Sends everything, but announces too small a length. The connection stays open, with the rest in it.
    LongerThanSaid {
        /// The difference in bytes.
        by: u64,
    },
    /// Sends everything, but announces too large a length, and closes (FIN).
    ShorterLength {
        /// The difference in bytes.
        by: u64,
    },
    /// Sends everything, but announces too large a length, and keeps the connection open.
    MoreToCome {
        /// The difference in bytes.
        by: u64,
    },
    /// Sends a few bytes at a time.
    Drip {
        /// The bytes of one piece.
        bytes: usize,
        /// The pause before the next piece.
        every: Duration,
    },
    /// Stops after `at` bytes and keeps the connection open.
    Stall {
        /// How many bytes are sent.
        at: u64,
    },
    /// Reads the request and never answers.
    BlackHole,
    /// Reads the request and closes (FIN) without an answer.
    HangUp,
    /// Redirects.
    Redirect {
        /// The status code.
        status: u16,
        /// The target, absolute or relative. `{hex}` is replaced by the hash that the request's path names, `{target}`
        /// by the request's whole target.
        location: String,
    },
    /// Leaves out `Docker-Content-Digest`.
    NoDigest,
    /// Sends the digest of other content.
    WrongDigestHeader,
    /// Sends in chunks, without a length.
    NoLength,
    /// Sends the whole blob, whatever part the request asks for.
    IgnoreRange,
    /// Leaves out `Content-Type`.
    NoContentType,
    /// Sends the right answer after this delay.
    Delay(Duration),
}

impl Rule {
    /// Applies the fault to requests with this method whose target contains `contains`.
    pub fn on(method: &'static str, contains: impl Into<String>, fault: Fault) -> Self {
        Self { method: Some(method), ..Self::any(contains, fault) }
    }

    /// As [`Rule::on`], with any method.
    pub fn any(contains: impl Into<String>, fault: Fault) -> Self {
        Self { method: None, contains: contains.into(), times: None, fault }
    }

    /// Applies only to the next request.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Applies only to the next `times` requests.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    pub(super) fn matches(&self, seen: &Seen) -> bool {
        self.times != Some(0)
            && self.method.is_none_or(|method| method == seen.method)
            && seen.target.contains(&self.contains)
    }
}

impl Fault {
    /// An answer with this status only.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: String::new() }
    }

    /// A temporary redirect (307).
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::Redirect { status: 307, location: location.into() }
    }

    /// Adds a header, if it is an answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }
}
