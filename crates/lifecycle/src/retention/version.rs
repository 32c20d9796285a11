//! Semantic versions of tags.

use hythe_oci::Tag;

/// A semantic version, as a tag writes it: `1.2.3` or `v1.2.3`, with a hyphen and a suffix if it is a pre-release or a
/// variant. Versions of different kinds have no common order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// The letters with which the suffix begins, such as `rc` or `alpine`; `None` without a suffix: a release.
    pub(super) kind: Option<String>,
    numbers: [u64; 3],
    suffix: Vec<Identifier>,
}

/// An identifier of a suffix. Numbers come before words (Semantic Versioning 2.0, 11.4.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Version {
    /// The version that a tag writes; `None` if it writes none, or only a part of one, such as `1.2`.
    pub(super) fn of(tag: &Tag) -> Option<Self> {
        let text = tag.as_str();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (core, suffix) = match text.split_once('-') {
            Some((core, suffix)) => (core, Some(suffix)),
            None => (text, None),
        };
        let mut parts = core.split('.');
        let mut next = || parts.next().and_then(number);
        let numbers = [next()?, next()?, next()?];
        if parts.next().is_some() || suffix.is_some_and(|suffix| suffix.split('.').any(str::is_empty)) {
            return None;
        }
        let letters = |suffix: &str| suffix.chars().take_while(char::is_ascii_alphabetic).collect();
        let identifiers = suffix.into_iter().flat_map(|suffix| suffix.split('.'));
        let identifier =
            |text: &str| number(text).map_or_else(|| Identifier::Word(text.to_owned()), Identifier::Number);
        Some(Self { kind: suffix.map(letters), numbers, suffix: identifiers.map(identifier).collect() })
    }
}

/// A number without sign. Zeros before it are allowed: many tags are dates.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Option<Version> {
        Version::of(&text.parse().unwrap())
    }

    #[test]
    fn a_version_has_three_numbers_and_may_have_a_v_and_a_suffix() {
        for text in ["1.2.3", "v1.2.3", "2026.01.05", "1.2.3-rc.1", "1.2.3-alpine3.20"] {
            assert!(version(text).is_some(), "{text}");
        }
        for text in [
            "latest",
            "1",
            "1.2",
            "v1",
            "1.2.3.4",
            "1.2.x",
            "1.2.3_4",
            "1.2.3-",
            "1.2.3-a..b",
            "99999999999999999999.0.0",
        ] {
            assert!(version(text).is_none(), "{text}");
        }
    }

    #[test]
    fn versions_of_a_kind_are_ordered_as_semver_orders_them() {
        for ordered in [
            &["1.2.3", "1.2.4", "1.10.0", "v2.0.0", "10.0.0"][..],
            &["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0-rc.11", "1.0.1-rc.1"],
            &["1.0.0-1", "1.0.0-2", "1.0.0-10"],
        ] {
            for pair in ordered.windows(2) {
                assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
            }
        }
        let kinds = ["1.0.0", "1.0.0-rc.1", "1.0.0-beta2", "1.0.0-alpine3.20", "1.0.0-5-gabc"]
            .map(|text| version(text).unwrap().kind);
        let expected = [None, Some("rc"), Some("beta"), Some("alpine"), Some("")];
        assert_eq!(kinds, expected.map(|kind| kind.map(str::to_owned)));
        assert_eq!(version("v1.2.3"), version("1.2.3"));
    }
}
