//! Patterns that select tags, and the time after which such tags expire.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hythe_oci::Pattern;

use super::{ValueError, parse_duration, show_duration};

/// A pattern for tags; `*` matches any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPattern(pub Pattern);

/// `PATTERN=DURATION`: how long after their push the tags expire that match the pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagExpiry {
    /// The pattern that tags match.
    pub pattern: TagPattern,
    /// The time from the push to the end.
    pub after: Duration,
}

impl FromStr for TagPattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
        if text.is_empty() || !text.chars().all(fits) {
            return Err(ValueError::new(
                "write a tag such as \"latest\" or a pattern such as \"v*\", where * matches any text",
            ));
        }
        text.parse().map(Self).map_err(|error: hythe_oci::PatternError| ValueError::new(error.to_string()))
    }
}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TagExpiry {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wanted = "write PATTERN=DURATION, such as \"pr-*=3d\"";
        let (pattern, after) = text.rsplit_once('=').ok_or_else(|| ValueError::new(wanted))?;
        let after = parse_duration(after)?;
        if after.is_zero() {
            return Err(ValueError::new("a tag cannot expire at its push: write a longer duration"));
        }
        Ok(Self { pattern: pattern.parse()?, after })
    }
}

impl fmt::Display for TagExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, show_duration(self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_and_its_time_read_as_they_are_shown_and_anything_else_is_refused() {
        for text in ["pr-*=3d", "nightly=36h", "*=90s"] {
            assert_eq!(text.parse::<TagExpiry>().unwrap().to_string(), text);
        }
        for (text, wanted) in [
            ("pr-*", "write PATTERN=DURATION"),
            ("=3d", "write a tag such as"),
            ("app:pr-*=3d", "write a tag such as"),
            ("pr-*=soon", "write a duration such as"),
            ("pr-*=0s", "longer duration"),
        ] {
            let said = text.parse::<TagExpiry>().unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }
}
