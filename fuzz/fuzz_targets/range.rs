//! Ranges: a selected part lies inside the body, a chunk's range is written back as an equal one.
#![no_main]

use hythe_oci::{ByteRange, ChunkRange, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    if let Selection::Part { start, end_inclusive } = ByteRange::parse(text).select(size) {
        assert!(start <= end_inclusive && end_inclusive < size);
    }
    if let Ok(range) = text.parse::<ChunkRange>() {
        assert!(range.len() > 0);
        assert_eq!(range.to_string().parse(), Ok(range));
        assert_eq!(ChunkRange::new(range.start(), range.len()), Some(range));
    }
});
