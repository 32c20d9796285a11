//! A registry's rate limit, as its headers give it (Docker Hub's form).

use std::time::{Duration, SystemTime};

use http::header::HeaderMap;
use hythe_oci::header;

/// What is left of a registry's rate limit, according to its last answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many manifests may be pulled in a window.
    pub limit: Option<u64>,
    /// How many more may be pulled in this window.
    pub remaining: u64,
    /// The length of a window.
    pub window: Option<Duration>,
    /// The address or the account that the registry counts pulls for.
    pub source: Option<String>,
    /// When that answer arrived.
    pub seen: SystemTime,
}

impl Budget {
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        let remaining = text(header::RATELIMIT_REMAINING).and_then(quota)?;
        let limit = text(header::RATELIMIT_LIMIT).and_then(quota);
        Some(Self {
            limit: limit.map(|(limit, _)| limit),
            remaining: remaining.0,
            window: limit.and_then(|(_, window)| window).or(remaining.1),
            source: text(header::DOCKER_RATELIMIT_SOURCE).map(str::to_owned),
            seen: SystemTime::now(),
        })
    }
}

/// `100;w=21600`
fn quota(text: &str) -> Option<(u64, Option<Duration>)> {
    let mut parts = text.split(';').map(str::trim);
    let count = parts.next()?.parse().ok()?;
    let window = parts.find_map(|part| part.strip_prefix("w=")).and_then(|window| window.parse().ok());
    Some((count, window.map(Duration::from_secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_with_and_without_a_window() {
        for (text, expected) in [
            ("100;w=21600", Some((100, Some(21_600)))),
            ("76", Some((76, None))),
            ("0; w=3600", Some((0, Some(3600)))),
            ("5;x=1;w=60", Some((5, Some(60)))),
            ("5;w=soon", Some((5, None))),
            ("-1;w=60", None),
            ("many", None),
            ("", None),
        ] {
            let expected = expected.map(|(count, window)| (count, window.map(Duration::from_secs)));
            assert_eq!(quota(text), expected, "{text}");
        }
    }
}
