//! The ranges of the API: a download's `Range` (RFC 9110, 14.2) and an upload's `Content-Range`
//! (distribution-spec, Pushing a blob in chunks).

use std::fmt;
use std::str::FromStr;

/// The most ranges of one request. Clients that pull images in parts (zstd:chunked) request this many. A request for
/// more ranges gets the whole body.
const MOST_RANGES: usize = 1024;

/// The ranges of a `Range` header, before the size of the body is known. No range means the whole body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByteRanges(Vec<ByteRange>);

/// One range of a `Range` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRange {
    /// The bytes from `start` to `end` (inclusive), or to the last byte. `end` may be before `start`.
    From { start: u64, end: Option<u64> },
    /// The last `count` bytes.
    Last { count: u64 },
}

/// The answer to a `Range` header for a body of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200 with the whole body.
    Whole,
    /// 206 with these bytes.
    Part(Part),
    /// 206 with each of these parts, at least two, in the requested order. Together they have at most as many bytes as
    /// the body.
    Parts(Vec<Part>),
    /// 416: no requested byte exists.
    Unsatisfiable,
}

/// A part of a body, at least one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end_inclusive: u64,
}

#[expect(clippy::len_without_is_empty, reason = "a part is never empty")]
impl Part {
    /// How many bytes; at least one.
    pub const fn len(&self) -> u64 {
        self.end_inclusive - self.start + 1
    }
}

/// Reads a number of digits only. A number above `u64::MAX` saturates, because it is past the end of every blob anyway.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl ByteRanges {
    /// Reads the value of a `Range` header. Never fails: a header that is malformed, or that has too many ranges,
    /// selects the whole body (RFC 9110, 14.2: a server may ignore the header).
    pub fn parse(header: &str) -> Self {
        Self(Self::ranges(header).unwrap_or_default())
    }

    fn ranges(header: &str) -> Option<Vec<ByteRange>> {
        let (unit, ranges) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        // Empty elements of a list do not count (RFC 9110, 5.6.1.2).
        let ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
        let ranges = ranges.take(MOST_RANGES + 1).map(ByteRange::parse).collect::<Option<Vec<_>>>()?;
        (ranges.len() <= MOST_RANGES).then_some(ranges)
    }

    /// The answer for a body of `size` bytes.
    ///
    /// A range that ends before it starts is refused, as RFC 9110, 14.2 allows: registry:2 does so, and the conformance
    /// program expects it. Other ranges that are not within the body are left out (15.3.7.2). If ranges overlap so much
    /// that together they have more bytes than the body, the whole body is sent once.
    pub fn select(&self, size: u64) -> Selection {
        if self.0.is_empty() {
            return Selection::Whole;
        }
        if self.0.iter().any(|range| range.is_backwards()) {
            return Selection::Unsatisfiable;
        }
        // RFC 9110 calls this range satisfiable, but `Content-Range` cannot express a part of no bytes.
        if size == 0 && self.0.iter().any(|range| matches!(range, ByteRange::Last { count: 1.. })) {
            return Selection::Whole;
        }
        let parts: Vec<Part> = self.0.iter().filter_map(|range| range.within(size)).collect();
        let all: u128 = parts.iter().map(|part| u128::from(part.len())).sum();
        match parts.as_slice() {
            [] => Selection::Unsatisfiable,
            [part] => Selection::Part(*part),
            [_, ..] if all > u128::from(size) => Selection::Whole,
            [_, ..] => Selection::Parts(parts),
        }
    }
}

impl ByteRange {
    fn parse(text: &str) -> Option<Self> {
        let (start, end) = text.split_once('-')?;
        match (start, end) {
            ("", count) => Some(Self::Last { count: number(count)? }),
            (start, "") => Some(Self::From { start: number(start)?, end: None }),
            (start, end) => Some(Self::From { start: number(start)?, end: Some(number(end)?) }),
        }
    }

    fn is_backwards(self) -> bool {
        matches!(self, Self::From { start, end: Some(end) } if end < start)
    }

    /// The part of a body of `size` bytes that the range selects; `None` if it selects no byte.
    fn within(self, size: u64) -> Option<Part> {
        let last = size.checked_sub(1)?;
        match self {
            Self::Last { count: 0 } => None,
            Self::Last { count } => Some(Part { start: size.saturating_sub(count), end_inclusive: last }),
            Self::From { start, end } => {
                let end_inclusive = end.unwrap_or(u64::MAX).min(last);
                (start <= last).then_some(Part { start, end_inclusive })
            }
        }
    }
}

/// The range of the bytes that a request brings, or that a session has: `a-b`, both inclusive, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkRange {
    start: u64,
    end_inclusive: u64,
}

/// Why a text is not a chunk's range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkRangeError {
    /// The text does not have the form `<start>-<end>`.
    #[error("chunk range `{text}` is not of the form `<start>-<end>`, both inclusive, for example `0-1023`")]
    Malformed {
        /// The given text.
        text: String,
    },
    /// The range ends before it starts.
    #[error("chunk range `{text}` ends before it starts")]
    Backwards {
        /// The given text.
        text: String,
    },
    /// The range ends past the largest size of a blob.
    #[error("chunk range `{text}` ends past 2^63 bytes")]
    TooLarge {
        /// The given text.
        text: String,
    },
}

#[expect(clippy::len_without_is_empty, reason = "a chunk range is never empty")]
impl ChunkRange {
    /// The range of `len` bytes from `start`; `None` if it would be empty or would end past 2^63.
    pub fn new(start: u64, len: u64) -> Option<Self> {
        let end_inclusive = start.checked_add(len.checked_sub(1)?)?;
        (end_inclusive <= MAX_END).then_some(Self { start, end_inclusive })
    }

    /// The offset of the first byte.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the last byte.
    pub const fn end_inclusive(&self) -> u64 {
        self.end_inclusive
    }

    /// How many bytes; at least one.
    pub const fn len(&self) -> u64 {
        self.end_inclusive - self.start + 1
    }
}

/// The largest offset of a last byte. The offset behind it still fits into the signed 64-bit integers of files and
/// databases.
const MAX_END: u64 = i64::MAX as u64 - 1;

impl FromStr for ChunkRange {
    type Err = ChunkRangeError;

    /// Reads `a-b`, and the forms that some clients send instead: `bytes a-b`, `bytes=a-b`, `a-b/<total>`, `a-b/*`. The
    /// total is ignored, because the session's own count and the digest decide.
    fn from_str(text: &str) -> Result<Self, ChunkRangeError> {
        let malformed = || ChunkRangeError::Malformed { text: text.to_owned() };
        let range = text.trim();
        let range = match range.strip_prefix("bytes") {
            Some(rest) => rest.strip_prefix([' ', '=']).ok_or_else(malformed)?.trim_start(),
            None => range,
        };
        let (range, total) = range.split_once('/').unwrap_or((range, "*"));
        let (start, end) = range.split_once('-').ok_or_else(malformed)?;
        let (Some(start), Some(end_inclusive)) = (number(start), number(end)) else {
            return Err(malformed());
        };
        if total != "*" && number(total).is_none() {
            return Err(malformed());
        }
        if end_inclusive < start {
            return Err(ChunkRangeError::Backwards { text: text.to_owned() });
        }
        if end_inclusive > MAX_END {
            return Err(ChunkRangeError::TooLarge { text: text.to_owned() });
        }
        Ok(Self { start, end_inclusive })
    }
}

impl fmt::Display for ChunkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end_inclusive)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(start: u64, end_inclusive: u64) -> Selection {
        Selection::Part(Part { start, end_inclusive })
    }

    fn parts(parts: &[(u64, u64)]) -> Selection {
        let part = |&(start, end_inclusive)| Part { start, end_inclusive };
        Selection::Parts(parts.iter().map(part).collect())
    }

    #[test]
    fn ranges_select_parts_of_a_thousand_bytes() {
        for (header, selection) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=0-999", part(0, 999)),
            ("bytes=10-", part(10, 999)),
            ("bytes=-10", part(990, 999)),
            ("bytes=-5000", part(0, 999)),
            ("bytes=200-5000", part(200, 999)),
            ("bytes=200-99999999999999999999999", part(200, 999)),
            ("Bytes = 1-2 ", part(1, 2)),
            ("bytes=999-", part(999, 999)),
            ("bytes=1000-", Selection::Unsatisfiable),
            ("bytes=5000-10000", Selection::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selection::Unsatisfiable),
            ("bytes=500-0", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=0-1,5-6", parts(&[(0, 1), (5, 6)])),
            ("bytes=500-, 0-1 ,-1", parts(&[(500, 999), (0, 1), (999, 999)])),
            ("bytes=0-9,0-9,5-6", parts(&[(0, 9), (0, 9), (5, 6)])),
            ("bytes=0-1,", part(0, 1)),
            ("bytes=,,0-1,,,", part(0, 1)),
            ("bytes=0-1,1000-,-0", part(0, 1)),
            ("bytes=1000-,-0", Selection::Unsatisfiable),
            ("bytes=0-1,5-2", Selection::Unsatisfiable),
            ("bytes=0-,0-0", Selection::Whole),
            ("bytes=0-1,x", Selection::Whole),
            ("bytes=,", Selection::Whole),
            ("items=0-1", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=--1", Selection::Whole),
            ("bytes=1", Selection::Whole),
            ("bytes", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(ByteRanges::parse(header).select(1000), selection, "{header}");
        }
    }

    #[test]
    fn a_range_of_nothing_is_unsatisfiable_or_everything() {
        assert_eq!(ByteRanges::parse("bytes=0-").select(0), Selection::Unsatisfiable);
        assert_eq!(ByteRanges::parse("bytes=0-5").select(0), Selection::Unsatisfiable);
        assert_eq!(ByteRanges::parse("bytes=-5").select(0), Selection::Whole);
        assert_eq!(ByteRanges::parse("bytes=0-1,-0").select(0), Selection::Unsatisfiable);
    }

    #[test]
    fn a_request_for_too_many_ranges_gets_the_whole_body() {
        let ranges = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|at| format!("{at}-{at}")).collect();
            ByteRanges::parse(&format!("bytes={}", ranges.join(","))).select(1 << 20)
        };
        assert!(matches!(ranges(1024), Selection::Parts(parts) if parts.len() == 1024));
        assert_eq!(ranges(1025), Selection::Whole);
        assert_eq!(ranges(100_000), Selection::Whole);
    }

    #[test]
    fn a_chunk_range_is_read_in_the_forms_that_clients_send() {
        for text in ["0-1023", " 0-1023", "bytes 0-1023", "bytes=0-1023", "0-1023/2048", "bytes 0-1023/*"] {
            let range: ChunkRange = text.parse().unwrap();
            assert_eq!((range.start(), range.end_inclusive(), range.len()), (0, 1023, 1024), "{text}");
        }
    }

    #[test]
    fn a_malformed_or_impossible_chunk_range_is_refused() {
        for text in
            ["", "-", "1", "1-", "-1", "a-b", "0 - 1", "+0-1", "0-1-2", "bytes0-1", "0-1/", "0-1/x", "0--1"]
        {
            assert!(matches!(text.parse::<ChunkRange>(), Err(ChunkRangeError::Malformed { .. })), "{text}");
        }
        assert!(matches!("5-4".parse::<ChunkRange>(), Err(ChunkRangeError::Backwards { .. })));
        let past = "0-18446744073709551615".parse::<ChunkRange>();
        assert!(matches!(past, Err(ChunkRangeError::TooLarge { .. })));
        assert_eq!(ChunkRange::new(0, 0), None);
        assert_eq!(ChunkRange::new(u64::MAX, 2), None);
    }

    proptest! {
        #[test]
        fn a_chunk_range_reads_back(start in 0..1_u64 << 60, len in 1..1_u64 << 60) {
            let range = ChunkRange::new(start, len).unwrap();
            prop_assert_eq!(range.len(), len);
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }

        #[test]
        fn selected_parts_lie_within_the_body_and_together_do_not_exceed_it(
            header in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}(, ?[0-9]{0,3}-[0-9]{0,3}){0,4}",
            size in prop_oneof![any::<u64>(), 0_u64..2000],
        ) {
            let parts = match ByteRanges::parse(&header).select(size) {
                Selection::Part(part) => vec![part],
                Selection::Parts(parts) => {
                    prop_assert!(parts.len() > 1);
                    parts
                }
                Selection::Whole | Selection::Unsatisfiable => Vec::new(),
            };
            for part in &parts {
                prop_assert!(part.start <= part.end_inclusive && part.end_inclusive < size);
            }
            prop_assert!(parts.iter().map(|part| u128::from(part.len())).sum::<u128>() <= u128::from(size));
        }

        #[test]
        fn no_text_makes_either_panic(text in any::<String>(), size: u64) {
            let _ = ByteRanges::parse(&text).select(size);
            let _ = text.parse::<ChunkRange>();
        }
    }
}
