//! Where the requests and chunks on a connection begin and end, by watching what hyper is given.
//!
//! hyper frames them, and says nothing of where it is. Whoever wants to read a body without it has to know, so this
//! follows along. It knows the plain forms only; of what it does not, it says that it is lost, and all stays with hyper.

use std::ops::RangeInclusive;

/// The most hexadecimal digits of a chunk's size: 4 GiB.
const DIGITS: usize = 8;

/// Chunks of such sizes are read without hyper: of smaller ones, what stands between them would be most of the work.
const SIZES: RangeInclusive<u32> = 16 << 10..=1 << 30;

/// A body of a known length is, where so much of it is to come: the handing over has its price too.
const MUCH: u64 = 256 << 10;

/// How long a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Sized(u64),
    /// Its chunks say it.
    Chunked,
}

/// What goes before a chunk's bytes, but for the end of the line: its length as the client writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    digits: [u8; DIGITS],
    count: usize,
}

impl Size {
    pub(super) fn text(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    /// With one more digit; none where it is no digit, or one too many.
    fn with(mut self, digit: u8) -> Option<Self> {
        let fits = digit.is_ascii_hexdigit() && self.count < DIGITS;
        if fits {
            self.digits[self.count] = digit;
            self.count += 1;
        }
        fits.then_some(self)
    }

    /// What it says; 0 also where there is no digit.
    pub(super) fn value(&self) -> u32 {
        self.text().iter().fold(0, |value, digit| value << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
    }
}

/// Where a body can be read without hyper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    /// How many bytes there are up to it.
    pub(super) left: u64,
    /// How many bytes of the body's content have come.
    pub(super) content: u64,
    /// What comes after it.
    pub(super) next: Next,
}

/// What comes of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Chunks, most likely of this size.
    Chunks(Size),
    /// So many bytes, with which it ends.
    Bytes(u64),
}

/// The place in the bytes of a connection.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    /// How many heads have ended.
    heads: u64,
}

#[derive(Debug)]
enum Place {
    /// In a head, of which something has come, and of the present line something.
    Head { begun: bool, line: bool },
    /// Behind a head, so many bytes; whether they have had the end of a body of chunks.
    Body { bytes: u64, chunks: Option<Chunks>, whole: bool },
    /// What comes next belongs to hyper.
    Lost,
}

/// The place in a body of chunks.
#[derive(Clone, Copy, Debug)]
struct Chunks {
    /// How many bytes of its content have come.
    content: u64,
    /// The last chunk's size.
    size: Size,
    /// Whether the one before was as large.
    alike: bool,
    /// Whether all of them had nothing but their size before them.
    plain: bool,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Size(Size),
    /// Behind a size, in what else its line has.
    Extension(Size),
    SizeEnd(Size),
    Content(u64),
    Return,
    Newline,
    /// Behind the last chunk's size, at the beginning of a line: a trailer's, or the empty one that ends the body.
    LastReturn,
    Trailer,
    TrailerEnd,
    LastNewline,
    Ended,
}

impl Framing {
    /// At the first byte of a connection.
    pub(super) fn start() -> Self {
        Self { place: Place::Head { begun: false, line: false }, heads: 0 }
    }

    /// How many heads have ended.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Says that the request is over whose head was the last to end, and how long its body was: where that is not what
    /// was seen, hyper has more of what follows than can be known here.
    pub(super) fn request_ended(&mut self, length: Length) {
        if let Place::Body { bytes, chunks, .. } = &self.place {
            let is_whole = match length {
                Length::Sized(length) => *bytes == length,
                Length::Chunked => chunks.is_some_and(|chunks| chunks.part == Part::Ended),
            };
            self.place = if is_whole { Place::Head { begun: false, line: false } } else { Place::Lost };
        }
    }

    /// Whether the body of the request whose head was the last to end is one of chunks that has come to its end, each line
    /// of it by CR and LF. hyper takes more than that for a trailer, and others may see another end there.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.place, Place::Body { whole: true, .. })
    }

    /// Follows `bytes`, which hyper is given.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        if let Place::Head { begun, line } = &mut self.place {
            // A head ends at its first empty line (RFC 9112, 2.1); those before it are passed over (2.2).
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
            self.place = Place::Body { bytes: 0, chunks: Some(chunks), whole: false };
        }
        if let Place::Body { bytes: count, chunks: followed, whole } = &mut self.place {
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

    /// Where the body of the request whose head was the last to end can be read without hyper: at the end of the present
    /// chunk, where the last two were large and alike; at once, where its length is known and most of it is to come.
    pub(super) fn boundary(&self, length: Length) -> Option<Boundary> {
        let Place::Body { bytes, chunks, .. } = &self.place else { return None };
        match length {
            Length::Sized(length) => {
                let left = length.checked_sub(*bytes).filter(|left| *left >= MUCH)?;
                Some(Boundary { left: 0, content: *bytes, next: Next::Bytes(left) })
            }
            Length::Chunked => {
                let Chunks { content, size, alike, plain, part } = (*chunks)?;
                let left = match part {
                    Part::Size(size) if size.count == 0 => 0,
                    Part::Content(left) => left + 2,
                    Part::Return => 2,
                    Part::Newline => 1,
                    _ => return None,
                };
                let is_likely = plain && alike && SIZES.contains(&size.value());
                is_likely.then_some(Boundary { left, content, next: Next::Chunks(size) })
            }
        }
    }

    /// Says that of a body in chunks so many bytes of content have come by now, past what was followed here.
    pub(super) fn passed(&mut self, content: u64) {
        if let Place::Body { chunks: Some(chunks), .. } = &mut self.place {
            chunks.content = content;
            chunks.alike = false;
        }
    }
}

impl Chunks {
    /// Follows `bytes`; false where they have another form than those known here.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((&byte, rest)) = bytes.split_first() {
            self.part = match (self.part, byte) {
                (Part::Content(left), _) => {
                    let taken = left.min(bytes.len() as u64);
                    self.content += taken;
                    bytes = &bytes[taken as usize..];
                    self.part = if taken == left { Part::Return } else { Part::Content(left - taken) };
                    continue;
                }
                (Part::Size(size) | Part::Extension(size), b'\r') => Part::SizeEnd(size),
                // A bare LF, where another reader may see the end of a line.
                (Part::Extension(_) | Part::LastReturn | Part::Trailer, b'\n') => return false,
                (Part::Size(size) | Part::Extension(size), b';' | b' ' | b'\t') if size.count > 0 => {
                    self.plain = false;
                    Part::Extension(size)
                }
                (Part::Extension(size), _) => Part::Extension(size),
                (Part::Size(size), digit) => match size.with(digit) {
                    Some(size) => Part::Size(size),
                    None => return false,
                },
                (Part::SizeEnd(size), b'\n') if size.count > 0 => {
                    self.alike = size == self.size;
                    self.size = size;
                    match size.value() {
                        0 => Part::LastReturn,
                        length => Part::Content(length.into()),
                    }
                }
                (Part::Return, b'\r') => Part::Newline,
                (Part::Newline, b'\n') => Part::Size(Size::default()),
                (Part::LastReturn, b'\r') => Part::LastNewline,
                (Part::Trailer, b'\r') => Part::TrailerEnd,
                (Part::TrailerEnd, b'\n') => Part::LastReturn,
                (Part::LastReturn | Part::Trailer, _) => Part::Trailer,
                (Part::LastNewline, b'\n') => Part::Ended,
                _ => return false,
            };
            bytes = rest;
        }
        true
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

    /// Where a body of chunks could be read without hyper, and how large its chunks are.
    fn boundary(framing: &Framing) -> Option<(u64, u64, u32)> {
        let boundary = framing.boundary(Length::Chunked)?;
        let Next::Chunks(size) = boundary.next else { return None };
        Some((boundary.left, boundary.content, size.value()))
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_and_those_before_it_do_not_count() {
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
    fn a_body_can_be_read_after_two_large_chunks_that_are_alike() {
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
    fn a_body_is_whole_where_each_of_its_lines_ends_as_it_should() {
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
                // What is sent before the answer does not change that.
                follow(&mut framing, HEAD, step);
                assert_eq!(framing.is_whole(), whole, "{}", body.escape_ascii());
            }
        }
    }

    #[test]
    fn small_chunks_and_what_is_no_plain_chunk_are_left_to_hyper() {
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
    fn a_body_of_a_known_length_can_be_read_at_once_where_much_of_it_is_to_come() {
        let mut framing = Framing::start();
        framing.follow(HEAD);
        framing.follow(b"begun");
        let boundary = framing.boundary(Length::Sized(5 + MUCH)).unwrap();
        assert!(matches!(boundary, Boundary { left: 0, content: 5, next: Next::Bytes(MUCH) }));
        assert!(framing.boundary(Length::Sized(4 + MUCH)).is_none());
        assert!(framing.boundary(Length::Sized(4)).is_none(), "more came than it has: the next request's");
    }

    proptest! {
        #[test]
        fn it_is_at_the_next_head_after_whole_bodies_only(
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
            let is_head = matches!(framing.place, Place::Head { .. });
            prop_assert_eq!(is_head, surplus == 0, "{:?}", framing);
        }
    }
}
