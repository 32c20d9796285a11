//! Times in responses and in the log.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The beginning of the year 10000, the first moment that RFC 3339 cannot write, as a duration since 1970.
const END: Duration = Duration::from_hours(70_389_528);

/// A time in RFC 3339's format; `None` outside of the years 1970 to 9999, for which the formatter panics.
pub(crate) fn timestamp(time: SystemTime) -> Option<String> {
    is_writable(time).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

/// The present time; 1970-01-01 if the clock shows a time that RFC 3339 cannot write.
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
    fn a_time_outside_of_1970_to_9999_has_no_timestamp() {
        let second = Duration::from_secs(1);
        assert_eq!(timestamp(UNIX_EPOCH).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(timestamp(UNIX_EPOCH + END - second).as_deref(), Some("9999-12-31T23:59:59Z"));
        for none in [UNIX_EPOCH - second, UNIX_EPOCH + END, UNIX_EPOCH + 1000 * END] {
            assert_eq!(timestamp(none), None);
        }
    }
}
