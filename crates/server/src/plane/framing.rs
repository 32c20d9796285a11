//! Follows where the requests and chunks on a connection begin and end, by watching the bytes that hyper reads.
//!
//! hyper does the framing and does not tell its position. To read a body past hyper, the server must know that
//! position, so this module follows the same bytes. It knows only the plain forms of framing. At any other form it
//! counts as lost, and hyper reads all further bytes.

mod chunks;

pub(super) use chunks::Size;
use chunks::{Chunks, Part};

/// The least remaining bytes for which a body of a known length is read past hyper: handing over the socket has a cost
/// too.
const MUCH: u64 = 256 << 10;

/// The length of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// A known number of bytes.
    Sized(u64),
    /// Unknown: the body comes in chunks.
    Chunked,
}

/// The place from which a body can be read past hyper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    /// The number of bytes before the boundary that are still to be read.
    pub(super) left: u64,
    /// The number of content bytes of the body that have arrived.
    pub(super) content: u64,
    /// The bytes after the boundary.
    pub(super) next: Next,
}

/// The bytes of a body that follow a boundary.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Chunks, most likely of this size.
    Chunks(Size),
    /// The rest of the body: this number of bytes.
    Bytes(u64),
}

/// The position in the bytes of a connection.
#[derive(Debug)]
pub(super) struct Framing {
    position: Position,
    /// The number of heads that have ended.
    heads: u64,
}

#[derive(Debug)]
enum Position {
    /// In a head. `begun`: some of the head has arrived; `line`: some of its present line has arrived.
    Head { begun: bool, line: bool },
    /// In a body, `bytes` after the head. `chunks`: the position in a body of chunks, `None` if its form is not known;
    /// `whole`: the end of a body of chunks has been seen.
    Body { bytes: u64, chunks: Option<Chunks>, whole: bool },
    /// The position is unknown, so hyper reads all further bytes.
    Lost,
}

impl Framing {
    /// The position at the first byte of a connection.
    pub(super) fn start() -> Self {
        Self { position: Position::Head { begun: false, line: false }, heads: 0 }
    }

    /// The number of heads that have ended.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Records that the request of the last head is over, and the length of its body. If that is not the length that
    /// was seen, hyper may hold an unknown part of the following bytes, so the position is lost.
    pub(super) fn request_ended(&mut self, length: Length) {
        if let Position::Body { bytes, chunks, .. } = &self.position {
            let is_whole = match length {
                Length::Sized(length) => *bytes == length,
                Length::Chunked => chunks.is_some_and(|chunks| chunks.part == Part::Ended),
            };
            self.position =
                if is_whole { Position::Head { begun: false, line: false } } else { Position::Lost };
        }
    }

    /// Whether the body after the last head is one of chunks whose end was seen, with each line ended by CRLF. hyper
    /// accepts more forms of trailers than that, and a proxy may see another end there.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.position, Position::Body { whole: true, .. })
    }

    /// Follows `bytes`, which hyper reads.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        if let Position::Head { begun, line } = &mut self.position {
            // A head ends at its first empty line (RFC 9112, 2.1); empty lines before the head are ignored (2.2).
            loop {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let text = &bytes[..end.unwrap_or(bytes.len())];
                if text.iter().any(|byte| *byte != b'\r') {
                    (*begun, *line) = (true, true);
                }
                let Some(end) = end else { return };
                bytes = &bytes[end + 1..];
                if *begun && !*line {
                    break;
                }
                *line = false;
            }
            self.heads += 1;
            let part = Part::Size(Size::default());
            let chunks = Chunks { content: 0, size: Size::default(), alike: false, plain: true, part };
            self.position = Position::Body { bytes: 0, chunks: Some(chunks), whole: false };
        }
        if let Position::Body { bytes: count, chunks: followed, whole } = &mut self.position {
            *count += bytes.len() as u64;
            if let Some(chunks) = followed {
                let is_known = chunks.follow(bytes);
                *whole |= chunks.part == Part::Ended;
                if !is_known {
                    *followed = None;
                }
            }
        }
    }

    /// The place from which the body after the last head can be read past hyper. A body of chunks: the end of the
    /// present chunk, if the last two are large and have the same size. A body of a known length: here, if enough of it
    /// is left.
    pub(super) fn boundary(&self, length: Length) -> Option<Boundary> {
        let Position::Body { bytes, chunks, .. } = &self.position else { return None };
        match length {
            Length::Sized(length) => {
                let left = length.checked_sub(*bytes).filter(|left| *left >= MUCH)?;
                Some(Boundary { left: 0, content: *bytes, next: Next::Bytes(left) })
            }
            Length::Chunked => chunks.as_ref()?.boundary(),
        }
    }

    /// Records the number of content bytes of a body of chunks that have arrived, after some were read past hyper.
    pub(super) fn passed(&mut self, content: u64) {
        if let Position::Body { chunks: Some(chunks), .. } = &mut self.position {
            chunks.content = content;
            chunks.alike = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] = b"PATCH /v2/a/blobs/uploads/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";

    /// Follows `bytes` in pieces of `step`.
    fn follow(framing: &mut Framing, bytes: &[u8], step: usize) {
        bytes.chunks(step).for_each(|piece| framing.follow(piece));
    }

    fn chunk(size: usize) -> Vec<u8> {
        [format!("{size:x}\r\n").as_bytes(), &vec![b'\n'; size], b"\r\n"].concat()
    }

    /// The boundary of a body of chunks: the bytes left before it, the content so far, and the size of the chunks.
    fn boundary(framing: &Framing) -> Option<(u64, u64, u32)> {
        let boundary = framing.boundary(Length::Chunked)?;
        let Next::Chunks(size) = boundary.next else { return None };
        Some((boundary.left, boundary.content, size.value()))
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_and_empty_lines_before_it_do_not_count() {
        for head in [HEAD, b"\r\n\nGET / HTTP/1.1\n\n", b"GET / HTTP/1.1\r\nA: b\r\n\r\n"] {
            for step in 1..head.len() {
                let mut framing = Framing::start();
                follow(&mut framing, &head[..head.len() - 1], step);
                assert_eq!(framing.heads(), 0);
                framing.follow(&head[head.len() - 1..]);
                assert_eq!(framing.heads(), 1);
            }
        }
    }

    #[test]
    fn a_body_can_be_read_past_hyper_after_two_large_chunks_of_one_size() {
        for step in [1, 7, 1000, 1 << 20] {
            let mut framing = Framing::start();
            follow(&mut framing, HEAD, step);
            follow(&mut framing, &chunk(20_000), step);
            assert_eq!(boundary(&framing), None);
            let second = chunk(20_000);
            follow(&mut framing, &second[..10_000], step);
            assert_eq!(boundary(&framing), Some((second.len() as u64 - 10_000, 20_000 + 10_000 - 6, 20_000)));
            follow(&mut framing, &second[10_000..], step);
            assert_eq!(boundary(&framing), Some((0, 40_000, 20_000)));
            follow(&mut framing, &chunk(20_001), step);
            assert_eq!(boundary(&framing), None, "another size");
        }
    }

    #[test]
    fn a_body_of_chunks_is_whole_only_if_each_line_ends_with_crlf() {
        for (body, whole) in [
            (&b"0\r\n\r\n"[..], true),
            (b"4\r\nsome\r\n0\r\n\r\n", true),
            (b"4;a=\"b\" \r\nsome\r\n0;c\r\n\r\n", true),
            (b"4 \r\nsome\r\n00\t\r\nA: b\r\nC:\r\n\r\n", true),
            (b"4\r\nsome\r\n0\r\n\r", false),
            (b"4\r\nsome\r\n0\r\n\n", false),
            (b"4\r\nsome\r\n0\r\nA: b\n\n", false),
            (b"4\r\nsome\r\n0\r\nA: b\r\n\n", false),
            (b"4\r\nsome\r\n0\r\nA: b\rC\r\n\r\n", false),
            (b"4;a\nb\r\nsome\r\n0\r\n\r\n", false),
            (b"4\nsome\r\n0\r\n\r\n", false),
            (b";\r\nsome\r\n0\r\n\r\n", false),
        ] {
            for step in 1..body.len() {
                let mut framing = Framing::start();
                follow(&mut framing, HEAD, step);
                follow(&mut framing, body, step);
                assert_eq!(framing.is_whole(), whole, "{}", body.escape_ascii());
                // Bytes of the next request do not change that.
                follow(&mut framing, HEAD, step);
                assert_eq!(framing.is_whole(), whole, "{}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn small_chunks_and_chunks_of_other_forms_are_left_to_hyper() {
        let large = chunk(20_000);
        let others: [&[&[u8]]; 5] = [
            &[&chunk(1000), &chunk(1000)],
            &[&large, b"4e20;name=value\r\n"],
            &[&large, b"04e20\r\n"],
            &[&large, b"000004e20\r\n"],
            &[&large, &large, b"x"],
        ];
        for body in others {
            let mut framing = Framing::start();
            framing.follow(HEAD);
            framing.follow(&body.concat());
            assert_eq!(boundary(&framing), None);
        }
    }

    #[test]
    fn a_body_of_a_known_length_can_be_read_past_hyper_if_much_of_it_is_left() {
        let mut framing = Framing::start();
        framing.follow(HEAD);
        framing.follow(b"begun");
        let boundary = framing.boundary(Length::Sized(5 + MUCH)).unwrap();
        assert!(matches!(boundary, Boundary { left: 0, content: 5, next: Next::Bytes(MUCH) }));
        assert!(framing.boundary(Length::Sized(4 + MUCH)).is_none());
        assert!(
            framing.boundary(Length::Sized(4)).is_none(),
            "more bytes than the body has: they are the next request's"
        );
    }

    proptest! {
        #[test]
        fn the_position_is_at_the_next_head_only_after_whole_bodies(
            bodies in prop::collection::vec((any::<bool>(), prop::collection::vec(1_usize..300, 0..5)), 1..5),
            step in 1_usize..400,
            surplus in 0_usize..2,
        ) {
            let mut framing = Framing::start();
            let last = bodies.len();
            for (number, (is_chunked, sizes)) in (1..).zip(bodies) {
                let (length, mut body) = if is_chunked {
                    let chunks: Vec<_> = sizes.iter().copied().map(chunk).collect();
                    (Length::Chunked, [&chunks.concat()[..], b"0\r\n\r\n"].concat())
                } else {
                    let length = sizes.iter().sum();
                    (Length::Sized(length as u64), vec![b'\n'; length])
                };
                if number == last {
                    body.extend(std::iter::repeat_n(b'X', surplus));
                }
                follow(&mut framing, &[HEAD, &body].concat(), step);
                prop_assert_eq!(framing.heads(), number as u64);
                framing.request_ended(length);
            }
            let is_head = matches!(framing.position, Position::Head { .. });
            prop_assert_eq!(is_head, surplus == 0, "{:?}", framing);
        }
    }
}
