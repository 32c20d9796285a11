//! The chunks of a request's body, as far as their bytes have arrived.

use std::ops::RangeInclusive;

use super::{Boundary, Next};

/// The most hexadecimal digits of a chunk's size; eight digits suffice for 4 GiB.
const DIGITS: usize = 8;

/// The sizes of chunks that are read past hyper, in bytes. With smaller chunks, the framing between them would be most
/// of the work.
const SIZES: RangeInclusive<u32> = 16 << 10..=1 << 30;

/// The size of a chunk as the client writes it, in hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::plane) struct Size {
    digits: [u8; DIGITS],
    count: usize,
}

impl Size {
    pub(in crate::plane) fn text(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    /// The size with one more digit; `None` if `digit` is not a digit, or the size already has `DIGITS` of them.
    fn with(mut self, digit: u8) -> Option<Self> {
        let fits = digit.is_ascii_hexdigit() && self.count < DIGITS;
        if fits {
            self.digits[self.count] = digit;
            self.count += 1;
        }
        fits.then_some(self)
    }

    /// The size in bytes; 0 also without any digit.
    pub(in crate::plane) fn value(&self) -> u32 {
        self.text().iter().fold(0, |value, digit| value << 4 | char::from(*digit).to_digit(16).unwrap_or(0))
    }
}

/// The position in a body of chunks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunks {
    /// The number of content bytes that have arrived.
    pub(super) content: u64,
    /// The last chunk's size.
    pub(super) size: Size,
    /// Whether the last two chunks have the same size, written alike.
    pub(super) alike: bool,
    /// Whether no chunk so far has an extension or padding after its size.
    pub(super) plain: bool,
    pub(super) part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Size(Size),
    /// After a size, in the rest of its line.
    Extension(Size),
    SizeEnd(Size),
    Content(u64),
    Return,
    Newline,
    /// After the last chunk's size, at the beginning of a line: a trailer, or the empty line that ends the body.
    LastReturn,
    Trailer,
    TrailerEnd,
    LastNewline,
    Ended,
}

impl Chunks {
    /// Follows `bytes`; false if their form is not known here.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> bool {
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
                // A bare LF: another reader may see the end of a line.
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

    /// The end of the present chunk, if the last two chunks are large and have the same size.
    pub(super) fn boundary(&self) -> Option<Boundary> {
        let Self { content, size, alike, plain, part } = *self;
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
