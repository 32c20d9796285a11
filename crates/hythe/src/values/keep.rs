//! Which backups stay: `all`, the newest ones (`30`), or those of a time (`90d`).

use hythe_backup::Keep;

use super::{ValueError, parse_duration, show_duration};

/// The word for all backups.
const ALL: &str = "all";

/// Reads which backups stay.
pub fn parse_keep(text: &str) -> Result<Keep, ValueError> {
    let wrong =
        || ValueError::new("write `all`, a number of backups such as 30, or a duration such as \"90d\"");
    if text == ALL {
        return Ok(Keep::Newest(usize::MAX));
    }
    if let Ok(count) = text.parse::<u32>() {
        return if count == 0 { Err(wrong()) } else { Ok(Keep::Newest(count as usize)) };
    }
    match parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(Keep::Within(time)),
        _ => Err(wrong()),
    }
}

/// Writes which backups stay as it is read.
pub fn show_keep(keep: Keep) -> String {
    match keep {
        Keep::Newest(usize::MAX) => ALL.to_owned(),
        Keep::Newest(count) => count.to_string(),
        Keep::Within(time) => show_duration(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_a_number_and_a_time_are_read_as_they_are_shown() {
        for text in ["all", "30", "90d", "36h"] {
            assert_eq!(show_keep(parse_keep(text).unwrap()), text);
        }
        for text in ["", "0", "0s", "-1", "some", "30 backups"] {
            assert!(parse_keep(text).is_err(), "{text}");
        }
    }
}
