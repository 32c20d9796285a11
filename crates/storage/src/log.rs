//! A log beside the blobs: bytes that are appended, in numbered segments, and replaced as a whole from time to time.

use std::fmt;
use std::io::{BufRead, Write};

use crate::Result;

/// A log. A *base* replaces everything before it. All calls block.
pub trait Log: fmt::Debug + Send + Sync {
    /// Appends bytes. They survive the end of the process, and after a [`sync`](Self::sync) also a power loss. After an
    /// error, none of them counts: a part that is left is followed by a line break.
    fn append(&self, bytes: &[u8]) -> Result<()>;

    /// Returns when all earlier appends are durable. After an error, some of them may be lost: their caller appends them
    /// again, after a new base has begun.
    fn sync(&self) -> Result<()>;

    /// Begins a base. What is appended from now on comes behind the base; the base must hold what the log holds now.
    fn begin_base(&self) -> Result<Box<dyn Base>>;

    /// The segments that a reader reads, in this order: the newest base, and those that were appended to behind it.
    fn segments(&self) -> Result<Vec<Segment>>;

    /// Opens a segment.
    fn read(&self, segment: &Segment) -> Result<Box<dyn BufRead + Send>>;
}

/// A base that is being written. Without [`finish`](Self::finish) nothing is left of it.
pub trait Base: Write + Send {
    /// Makes the base durable, and then removes what it replaces.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// The number. Segments that were appended to are numbered without gaps; a base has the number of the segment behind
    /// it.
    pub number: u64,
    /// The kind of the segment.
    pub kind: SegmentKind,
    /// The size in bytes.
    pub size: u64,
}

/// The kind of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentKind {
    /// It replaces everything before it.
    Base,
    /// It was appended to.
    Appended,
}

impl Segment {
    /// Whether the segment is a base.
    pub fn is_base(&self) -> bool {
        self.kind == SegmentKind::Base
    }
}

/// What a reader reads of all segments.
pub(crate) fn newest(mut segments: Vec<Segment>) -> Vec<Segment> {
    segments.sort_unstable();
    let base = segments.iter().rposition(Segment::is_base);
    segments.split_off(base.unwrap_or(0))
}
