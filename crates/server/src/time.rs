//! Times in answers and in the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first moment of the year 10000, which RFC 3339 cannot write.
const END: Duration = Duration::from_hours(70_389_528);

/// A time as RFC 3339 has it; `None` outside of the years 1970 to 9999, where the formatter panics.
pub(crate) fn timestamp(time: SystemTime) -> Option<String> {
    is_writable(time).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// The time; the epoch where the clock shows what cannot be written.
pub(crate) fn now() -> SystemTime {
    Some(SystemTime::now()).filter(|now| is_writable(*now)).unwrap_or(UNIX_EPOCH)
}

fn is_writable(time: SystemTime) -> bool {
    time.duration_since(UNIX_EPOCH).is_ok_and(|age| age < END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_form_is_left_out() {
        let second = Duration::from_secs(1);
        assert_eq!(timestamp(UNIX_EPOCH).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(timestamp(UNIX_EPOCH + END - second).as_deref(), Some("9999-12-31T23:59:59Z"));
        for none in [UNIX_EPOCH - second, UNIX_EPOCH + END, UNIX_EPOCH + 1000 * END] {
            assert_eq!(timestamp(none), None);
        }
    }
}
