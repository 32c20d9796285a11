//! containerd's version, and what hangs on it.

use std::fmt;
use std::str::FromStr;

/// A release of containerd. What a distribution or a fork appends (`~ds1`, `-k3s2`, `-rc.0`) changes nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Why a text names no version of containerd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` has no version of containerd in it; `containerd --version` prints one, such as `v2.3.1`")]
pub struct VersionError {
    text: String,
}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Where this version looks for `hosts.toml` files when its configuration names no place. From 2.2.2 it does so only
    /// where no `registry.mirrors` stand either; 2.2.0 and 2.2.1 do so in any case ([`Self::dies_of_mirrors`]).
    pub fn default_config_path(self) -> Option<&'static str> {
        (self >= Self::new(2, 2, 0)).then_some("/etc/containerd/certs.d:/etc/docker/certs.d")
    }

    /// Whether `referrers` is a capability; before, the word makes the whole `hosts.toml` invalid.
    pub fn knows_referrers(self) -> bool {
        self >= Self::new(2, 2, 0)
    }

    /// Whether a `hosts.toml` without any `[host]` table is invalid.
    pub fn needs_host_table(self) -> bool {
        self < Self::new(1, 7, 32)
    }

    /// Whether a mirror is only seen where it has a table header of its own (`[host."URL"]`).
    pub fn sees_table_headers_only(self) -> bool {
        self >= Self::new(2, 0, 0)
    }

    /// Whether `dial_timeout` is read; before, a host that swallows packets costs 30 seconds a request.
    pub fn knows_dial_timeout(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    /// Whether images are pulled by the transfer service unless the configuration rules it out. That service takes a
    /// `config_path` of several roots for one root with colons in its name (containerd#12636).
    pub fn pulls_by_transfer_service(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    /// Whether `registry.mirrors` alone keeps the CRI plugin from starting: its check meets the default `config_path`.
    pub fn dies_of_mirrors(self) -> bool {
        (Self::new(2, 2, 0)..=Self::new(2, 2, 1)).contains(&self)
    }

    /// Whether configurations of older forms are migrated, plugin id by plugin id. Before, there are two forms: without
    /// `version` ids are short, with any they are whole.
    pub(crate) fn migrates(self) -> bool {
        self >= Self::new(2, 0, 0)
    }
}

/// `[v]major.minor[.patch]`, and whatever stands behind.
fn parse_word(word: &str) -> Option<Version> {
    let word = word.strip_prefix("containerd://").unwrap_or(word);
    let mut rest = word.strip_prefix('v').unwrap_or(word);
    let mut number = || {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        rest = behind.strip_prefix('.').unwrap_or_default();
        digits.parse::<u16>().ok()
    };
    Some(Version { major: number()?, minor: number()?, patch: number().unwrap_or(0) })
}

impl FromStr for Version {
    type Err = VersionError;

    /// Takes what `containerd --version` prints, a bare version, and a node's `containerRuntimeVersion`.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let found = text.split_whitespace().find_map(parse_word);
        found.ok_or_else(|| VersionError { text: text.trim().to_owned() })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_containerd_and_kubernetes_print_is_a_version() {
        let table = [
            ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6, 20)),
            ("containerd containerd.io 1.6.33 d2d58213f83a351ca8f528a95fbd145f5654e957\n", (1, 6, 33)),
            ("containerd github.com/containerd/containerd/v2 v2.3.1 301026e58c61", (2, 3, 1)),
            ("containerd github.com/containerd/containerd/v2 2.4.2+unknown ", (2, 4, 2)),
            ("containerd github.com/k3s-io/containerd v1.7.13-k3s1", (1, 7, 13)),
            ("containerd://2.0.2", (2, 0, 2)),
            ("v2.2.0-rc.0", (2, 2, 0)),
            ("1.7", (1, 7, 0)),
        ];
        for (text, (major, minor, patch)) in table {
            assert_eq!(text.parse(), Ok(Version::new(major, minor, patch)), "{text}");
        }
    }

    #[test]
    fn a_text_without_a_version_is_an_error_that_quotes_it() {
        for text in ["", "containerd", "sh: containerd: not found", "99999.1.1"] {
            let error = text.parse::<Version>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{text}` has no version")), "{error}");
        }
    }

    #[test]
    fn what_a_version_can_begins_and_ends_at_the_release_that_changed_it() {
        let can = |text: &str| {
            let v: Version = text.parse().unwrap();
            [
                v.needs_host_table(),
                v.sees_table_headers_only(),
                v.knows_dial_timeout(),
                v.pulls_by_transfer_service(),
                v.knows_referrers(),
                v.default_config_path().is_some(),
                v.dies_of_mirrors(),
            ]
        };
        let table = [
            ("1.6.20", [true, false, false, false, false, false, false]),
            ("1.7.31", [true, false, false, false, false, false, false]),
            ("1.7.32", [false, false, false, false, false, false, false]),
            ("2.0.11", [false, true, false, false, false, false, false]),
            ("2.1.0", [false, true, true, true, false, false, false]),
            ("2.2.1", [false, true, true, true, true, true, true]),
            ("2.2.2", [false, true, true, true, true, true, false]),
            ("2.4.2", [false, true, true, true, true, true, false]),
        ];
        for (version, expected) in table {
            assert_eq!(can(version), expected, "{version}");
        }
    }
}
