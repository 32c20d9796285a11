//! What the upstream does wrong, and when.

use std::time::Duration;

use crate::Seen;

/// A fault for the requests that it matches. A request that lacks the right credentials uses up no rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only requests of this method; all if there is none.
    pub method: Option<&'static str>,
    /// Only requests whose target contains this.
    pub contains: String,
    /// How many requests more it applies to; all if there is none.
    pub times: Option<usize>,
    /// What goes wrong.
    pub fault: Fault,
}

/// Something that goes wrong with an answer. Positions count the bytes of that answer's body, which a `Range` may
/// have made a part of the blob. An answer to `HEAD` has no body that could go wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this instead.
    Status {
        /// The status code.
        status: u16,
        /// All headers, but for `Content-Length`, which is added where it is not given.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Says the right length and closes (FIN) after `at` bytes. Past the end it is what an upstream does that is
    /// tired of a connection: a whole answer, then the end without notice.
    Truncate {
        /// How many bytes are sent.
        at: u64,
    },
    /// Says the right length and resets (RST) after `at` bytes, once they have arrived.
    Reset {
        /// How many bytes are sent.
        at: u64,
    },
    /// Flips each bit of one byte.
    WrongByte {
        /// Which one.
        at: u64,
    },
    /// Sends everything, but says a length that is too small. The connection stays open, with the rest in it.
    LongerThanSaid {
        /// By how much.
        by: u64,
    },
    /// Sends everything, but says a length that is too large, and closes (FIN).
    ShorterLength {
        /// By how much.
        by: u64,
    },
    /// Sends everything, but says a length that is too large, and keeps the connection open.
    MoreToCome {
        /// By how much.
        by: u64,
    },
    /// Sends a few bytes at a time.
    Drip {
        /// How many.
        bytes: usize,
        /// How long it waits before the next.
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
    /// Points elsewhere.
    Redirect {
        /// The status code.
        status: u16,
        /// Where to, absolute or relative. `{hex}` is replaced by the hash that the request's path names, `{target}`
        /// by the request's whole target.
        location: String,
    },
    /// Leaves out `Docker-Content-Digest`.
    NoDigest,
    /// Says the digest of something else.
    WrongDigestHeader,
    /// Sends in chunks, without a length.
    NoLength,
    /// Sends the whole blob, whatever part was asked for.
    IgnoreRange,
    /// Leaves out `Content-Type`.
    NoContentType,
    /// Answers as it should, later.
    Delay(Duration),
}

impl Rule {
    /// Whenever such a request comes.
    pub fn on(method: &'static str, contains: impl Into<String>, fault: Fault) -> Self {
        Self { method: Some(method), ..Self::any(contains, fault) }
    }

    /// The same whatever the method.
    pub fn any(contains: impl Into<String>, fault: Fault) -> Self {
        Self { method: None, contains: contains.into(), times: None, fault }
    }

    /// The next time only.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// The next `times` times only.
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
    /// An answer of this status, and nothing else.
    pub fn status(status: u16) -> Self {
        Self::Status { status, headers: Vec::new(), body: String::new() }
    }

    /// A temporary redirect (307).
    pub fn redirect(location: impl Into<String>) -> Self {
        Self::Redirect { status: 307, location: location.into() }
    }

    /// With a header more, where it is an answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        if let Self::Status { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }
}
