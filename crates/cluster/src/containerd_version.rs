//! containerd's version, and the behaviour that depends on it.

use std::fmt;
use std::str::FromStr;

/// A release of containerd. Suffixes of distributions and forks (`~ds1`, `-k3s2`, `-rc.0`) are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Why a text is not a version of containerd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` has no version of containerd in it; `containerd --version` prints it, for example `v2.3.1`"
)]
pub struct VersionError {
    text: String,
}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// The roots in which this version looks for `hosts.toml` files if its configuration sets none. From 2.2.2 on, the
    /// default applies only if `registry.mirrors` is not set either; in 2.2.0 and 2.2.1 it always applies
    /// ([`Self::dies_of_mirrors`]).
    pub fn default_config_path(self) -> Option<&'static str> {
        (self >= Self::new(2, 2, 0)).then_some("/etc/containerd/certs.d:/etc/docker/certs.d")
    }

    /// Whether `referrers` is a capability. In earlier versions the word makes the whole `hosts.toml` invalid.
    pub fn knows_referrers(self) -> bool {
        self >= Self::new(2, 2, 0)
    }

    /// Whether a `hosts.toml` without any `[host]` table is invalid.
    pub fn needs_host_table(self) -> bool {
        self < Self::new(1, 7, 32)
    }

    /// Whether this version only sees mirrors with a table header of their own (`[host."URL"]`).
    pub fn sees_table_headers_only(self) -> bool {
        self >= Self::new(2, 0, 0)
    }

    /// Whether `dial_timeout` is read. In earlier versions, a host that drops packets costs 30 seconds for each
    /// request.
    pub fn knows_dial_timeout(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    /// Whether the transfer service pulls images, unless the configuration rules it out. It takes a `config_path` with
    /// several roots for a single root with colons in its name (containerd#12636).
    pub fn pulls_by_transfer_service(self) -> bool {
        self >= Self::new(2, 1, 0)
    }

    /// Whether `registry.mirrors` alone keeps the CRI plugin from starting: the plugin's check counts the default
    /// `config_path` as set.
    pub fn dies_of_mirrors(self) -> bool {
        (Self::new(2, 2, 0)..=Self::new(2, 2, 1)).contains(&self)
    }

    /// Whether containerd migrates configurations of older versions, plugin id by plugin id. Earlier releases know two
    /// forms: short plugin ids without `version`, and full ids with any `version`.
    pub(crate) fn migrates(self) -> bool {
        self >= Self::new(2, 0, 0)
    }
}

/// Parses `[v]major.minor[.patch]` and ignores the rest.
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

    /// Parses the output of `containerd --version`, a bare version, or a node's `containerRuntimeVersion`.
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
    fn versions_are_read_as_containerd_and_kubernetes_print_them() {
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
    fn each_ability_begins_and_ends_with_the_release_that_changed_it() {
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
