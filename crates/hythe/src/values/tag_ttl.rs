//! The time to live of cached tags that match a pattern.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hythe_oci::{ImagePattern, PatternError};

use super::{ValueError, parse_duration, show_duration};

/// `PATTERN=DURATION`: how long a cached tag that matches the pattern is used before the upstream is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagTtl {
    /// The pattern that tags match.
    pub pattern: ImagePattern,
    /// The time to live.
    pub ttl: Duration,
}

impl FromStr for TagTtl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wanted = "write PATTERN=DURATION, such as \"library/redis:7*=1d\"";
        let (pattern, ttl) = text.rsplit_once('=').ok_or_else(|| ValueError::new(wanted))?;
        let pattern = pattern.parse().map_err(|error: PatternError| ValueError::new(error.to_string()))?;
        Ok(Self { pattern, ttl: parse_duration(ttl)? })
    }
}

impl fmt::Display for TagTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, show_duration(self.ttl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_and_a_duration_read_as_they_are_shown() {
        for text in ["library/redis:7*=1d", "*:latest=5m", "team/app=90s", "*=0s"] {
            assert_eq!(text.parse::<TagTtl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_pattern_or_duration_is_refused_with_what_to_write() {
        for (text, wanted) in [
            ("library/redis", "write PATTERN=DURATION"),
            ("", "write PATTERN=DURATION"),
            ("=1d", "`` is not a pattern"),
            ("library/redis:=1d", "`library/redis:` is not a pattern"),
            ("*:latest=", "write a duration such as"),
            ("*:latest=5", "write a duration such as"),
        ] {
            let said = text.parse::<TagTtl>().unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}\n  said {said}\n  not  {wanted}");
        }
    }
}
