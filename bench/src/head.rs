//! The parts of an HTTP/1.1 message's head that the bench needs.

/// How the head states the body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// `Content-Length`, or no body.
    Known(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A parsed head.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The first line, without its end.
    pub(crate) first: String,
    /// The body's length.
    pub(crate) length: Length,
    /// The `Location` header, if present.
    pub(crate) location: Option<String>,
    /// Whether the head has `Connection: close`.
    pub(crate) close: bool,
    /// Whether the head has `Expect: 100-continue`.
    pub(crate) expects: bool,
}

impl Head {
    /// Parses the head in `bytes`, which end after the empty line. `None` if `bytes` are not a head.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.split("\r\n");
        let mut head = Self {
            first: lines.next()?.to_owned(),
            length: Length::Known(0),
            location: None,
            close: false,
            expects: false,
        };
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':')?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Length::Known(value.parse().ok()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                value.eq_ignore_ascii_case("chunked").then_some(())?;
                head.length = Length::Chunked;
            } else if name.eq_ignore_ascii_case("location") {
                head.location = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("connection") {
                head.close = value.eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("expect") {
                head.expects = true;
            }
        }
        Some(head)
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> Option<u16> {
        self.first.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
    }

    /// Method and target of a request.
    pub(crate) fn request(&self) -> Option<(&str, &str)> {
        let mut words = self.first.split(' ');
        Some((words.next()?, words.next()?))
    }
}

/// The length of the head at the start of `bytes`, with its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_its_status_length_and_location() {
        let bytes =
            b"HTTP/1.1 202 Accepted\r\nlocation: /v2/a/blobs/uploads/1?s=x\r\nContent-Length: 0\r\n\r\n";
        let head = Head::parse(bytes).unwrap();
        assert_eq!(head.status(), Some(202));
        assert_eq!(head.length, Length::Known(0));
        assert_eq!(head.location.as_deref(), Some("/v2/a/blobs/uploads/1?s=x"));
        assert_eq!(head_end(bytes), Some(bytes.len()));
    }

    #[test]
    fn a_request_gives_its_method_and_target() {
        let head = Head::parse(b"PATCH /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(head.request(), Some(("PATCH", "/x")));
        assert_eq!(head.length, Length::Chunked);
    }

    #[test]
    fn half_a_head_has_no_end() {
        assert_eq!(head_end(b"HTTP/1.1 200 OK\r\nA: b\r\n"), None);
    }
}
