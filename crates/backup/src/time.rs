//! The time of a snapshot, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The beginning of the year 10000, in milliseconds: RFC 3339 cannot write it.
const END: u64 = 253_402_300_800_000;

/// A time in milliseconds since the Unix epoch, before the year 10000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as 2026-11-30T02:00:00Z")]
pub struct TimeError(String);

impl Time {
    /// The present time.
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// A time; the epoch if the time is earlier.
    pub fn of(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        Self(u64::try_from(millis).unwrap_or(u64::MAX).min(END - 1))
    }

    /// Milliseconds since the epoch.
    pub fn millis(self) -> u64 {
        self.0
    }

    pub(crate) fn from_millis(millis: u64) -> Self {
        Self(millis.min(END - 1))
    }

    /// The time as the system counts it.
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// This time and a duration.
    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self::of(self.system() + duration)
    }

    /// This time without a duration.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The time from an earlier time to this one; `None` if the other one is later.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// The text in a file's name, where a colon is not allowed everywhere.
    pub(crate) fn in_name(self) -> String {
        self.to_string().replace(':', "")
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let (date, rest) = name.split_once('T')?;
        let (hours, minutes, rest) = (rest.get(..2)?, rest.get(2..4)?, rest.get(4..)?);
        format!("{date}T{hours}:{minutes}:{rest}").parse().ok().filter(|time: &Self| time.in_name() == name)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.system()).fmt(f)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        humantime::parse_rfc3339_weak(text).map(Self::of).map_err(|_| TimeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_names_without_colons_and_read_again() {
        let time: Time = "2026-11-30T02:03:04.567Z".parse().unwrap();
        assert_eq!(time.in_name(), "2026-11-30T020304.567Z");
        assert_eq!(Time::from_name(&time.in_name()), Some(time));
        for other in ["", "2026", "2026-11-30T02:03:04Z", "2026-11-30T0203é", "latest"] {
            assert_eq!(Time::from_name(other), None, "{other}");
        }
        assert_eq!("2026-11-30 02:03:04.567".parse(), Ok(time));
    }
}
