//! Sizes as people write them: `64KiB`, `4MiB`, or plain bytes.

use super::ValueError;

/// Bytes of each unit. The binary units come first, largest first: `show_size` writes only these.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
];

/// Reads a size: a whole number of bytes, or of a unit. The result is in bytes.
pub fn parse_size(text: &str) -> Result<u64, ValueError> {
    let wrong = || {
        ValueError::new(
            "write a size such as \"64KiB\", \"4MiB\" or plain bytes (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)",
        )
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start_matches(' ');
    let scale =
        if unit.is_empty() { 1 } else { UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1 };
    number.checked_mul(scale).ok_or_else(wrong)
}

/// Writes a size in the largest binary unit that holds it exactly.
pub fn show_size(size: u64) -> String {
    let binary = &UNITS[..4];
    let exact = binary.iter().find(|(_, scale)| size > 0 && size.is_multiple_of(*scale));
    exact.map_or_else(|| format!("{size}B"), |(unit, scale)| format!("{}{unit}", size / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_with_binary_units_decimal_units_and_none() {
        for (text, bytes) in [
            ("64KiB", 65536),
            ("4MiB", 4 << 20),
            ("4456448", 4_456_448),
            ("1 GiB", 1 << 30),
            ("1MB", 1_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_size_with_an_unknown_unit_or_too_large_is_refused() {
        for text in ["", "KiB", "4 M", "4mib", "-1", "1.5MiB", "99999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_shown_in_its_largest_exact_unit() {
        assert_eq!(show_size(65536), "64KiB");
        assert_eq!(show_size(4_456_448), "4352KiB");
        assert_eq!(show_size(1000), "1000B");
        assert_eq!(show_size(0), "0B");
    }
}
