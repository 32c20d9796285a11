//! Amounts of room on a disk as people write them: `20GiB`, `5%`.

use hythe_registry::{Budget, DiskAmount};

use super::{ValueError, parse_size, show_size};

/// The word for [`Budget::Auto`].
const AUTO: &str = "auto";

/// Reads a size, or a share from `0%` to `100%`.
pub fn parse_amount(text: &str) -> Result<DiskAmount, ValueError> {
    match text.strip_suffix('%') {
        Some(share) => match share.trim_end().parse() {
            Ok(share @ 0..=100) => Ok(DiskAmount::Percent(share)),
            _ => Err(ValueError::new("a share of the file system is a whole number from 0% to 100%")),
        },
        None => parse_size(text).map(DiskAmount::Bytes),
    }
}

/// Writes an amount as it is read.
pub fn show_amount(amount: DiskAmount) -> String {
    match amount {
        DiskAmount::Bytes(bytes) => show_size(bytes),
        DiskAmount::Percent(share) => format!("{share}%"),
    }
}

/// Reads a budget: an amount, or `auto`.
pub fn parse_budget(text: &str) -> Result<Budget, ValueError> {
    if text == AUTO { Ok(Budget::Auto) } else { parse_amount(text).map(Budget::Set) }
}

/// Writes a budget as it is read.
pub fn show_budget(budget: Budget) -> String {
    match budget {
        Budget::Auto => AUTO.to_owned(),
        Budget::Set(amount) => show_amount(amount),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_they_are_written() {
        for text in ["auto", "60%", "20GiB", "0%"] {
            assert_eq!(show_budget(parse_budget(text).unwrap()), text);
        }
        assert_eq!(parse_amount("2 GB"), Ok(DiskAmount::Bytes(2_000_000_000)));
    }

    #[test]
    fn a_share_above_100_or_with_a_fraction_is_refused() {
        for text in ["101%", "1.5%", "%", "-1%", "most"] {
            assert!(parse_budget(text).is_err(), "{text}");
        }
    }
}
