//! Sizes, times and counts in words.

use std::time::{Duration, SystemTime};

/// A size with about three digits, such as `45.2 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Counted in tenths of the unit, so that floating point loses no fraction.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if tenths < 10240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if tenths < 1000 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// The time since a moment, such as `2 hours ago`.
pub(crate) fn ago(then: SystemTime, now: SystemTime) -> String {
    const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)];
    let seconds = now.duration_since(then).unwrap_or(Duration::ZERO).as_secs();
    let Some((unit, count)) = UNITS
        .iter()
        .find_map(|(unit, length)| Some((unit, seconds / length)).filter(|(_, count)| *count > 0))
    else {
        return "just now".to_owned();
    };
    format!("{} ago", count_of(count, unit))
}

/// A number with its noun, such as `3 tags`. The caller gives the singular.
pub(crate) fn count_of(count: u64, thing: &str) -> String {
    match (count, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) if !thing.ends_with("ay") => format!("{count} {stem}ies"),
        _ => format!("{count} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_a_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (150 << 10, "150 KiB"),
            ((1 << 20) - 1, "1023 KiB"),
            (47_395_635, "45.1 MiB"),
            (3 << 40, "3.0 TiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn times_are_shown_in_their_largest_unit() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (seconds, text) in [
            (0, "just now"),
            (1, "1 second ago"),
            (119, "1 minute ago"),
            (7200, "2 hours ago"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(ago(now - Duration::from_secs(seconds), now), text);
        }
        assert_eq!(ago(now + Duration::from_secs(5), now), "just now");
        assert_eq!((count_of(1, "copy"), count_of(2, "copy")), ("1 copy".to_owned(), "2 copies".to_owned()));
    }
}
