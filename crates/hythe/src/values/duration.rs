//! Durations as people write them: `90s`, `10m`, `1h30m`, `7d`.

use std::time::Duration;

use super::ValueError;

/// Milliseconds of each unit, largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The longest duration, in milliseconds: 100 years. A longer duration would mean "never", and would overflow when code
/// adds it to a time.
const LONGEST: u64 = 36_500 * 86_400_000;

/// Reads a duration: whole numbers, each with its unit.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let long = || ValueError::new("a duration must be at most 36500d (100 years)");
    let wrong =
        || ValueError::new("write a duration such as \"90s\", \"10m\" or \"7d\" (units: ms, s, m, h, d)");
    // Go accepts a zero without a unit, and people write it.
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(wrong());
        }
        let number: u64 = number.parse().map_err(|_| long())?;
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total = number
            .checked_mul(*scale)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(long)?;
        rest = after;
    }
    if text.is_empty() { Err(wrong()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a duration in the largest unit that holds it exactly.
pub fn show_duration(duration: Duration) -> String {
    let total = duration.as_millis();
    if total == 0 {
        return "0s".to_owned();
    }
    let exact = UNITS.iter().find(|(_, scale)| total.is_multiple_of(u128::from(*scale)));
    exact.map_or_else(String::new, |(unit, scale)| format!("{}{unit}", total / u128::from(*scale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("10m", 600), ("1h30m", 5400), ("7d", 604_800), ("168h", 604_800)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("36500d"), Ok(Duration::from_millis(LONGEST)));
    }

    #[test]
    fn a_duration_above_100_years_is_refused_with_the_limit() {
        for text in ["36501d", "3000000d", "36500d1ms", "99999999999999999999d", "18446744073709551615ms"] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(error.contains("36500d"), "{text}: {error}");
        }
    }

    #[test]
    fn a_duration_without_unit_with_a_sign_or_too_large_is_refused() {
        for text in [
            "",
            "10",
            "10x",
            "-1s",
            "1.5h",
            "s",
            "10 s",
            "1h30",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_its_largest_exact_unit() {
        for text in ["90s", "3m", "24h", "250ms", "0s"] {
            let parsed = parse_duration(text).unwrap();
            assert_eq!(show_duration(parsed), if text == "24h" { "1d" } else { text });
        }
    }
}
