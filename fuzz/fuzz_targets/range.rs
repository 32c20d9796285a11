//! Ranges: each selected part lies inside the body, and a chunk's range equals its own text when parsed again.
#![no_main]

use hythe_oci::{ByteRanges, ChunkRange, Selection};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    let parts = match ByteRanges::parse(text).select(size) {
        Selection::Part(part) => vec![part],
        Selection::Parts(parts) => parts,
        Selection::Whole | Selection::Unsatisfiable => Vec::new(),
    };
    let mut sum = 0;
    for part in parts {
        assert!(part.start <= part.end_inclusive && part.end_inclusive < size);
        sum += u128::from(part.len());
    }
    assert!(sum <= u128::from(size));
    if let Ok(range) = text.parse::<ChunkRange>() {
        assert!(range.len() > 0);
        assert_eq!(range.to_string().parse(), Ok(range));
        assert_eq!(ChunkRange::new(range.start(), range.len()), Some(range));
    }
});
