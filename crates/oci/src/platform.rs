//! A platform, as `--platform` and the entries of an index write it (image-spec, image-index.md).

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// An operating system and an architecture, optionally with a variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Described")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A platform as an index's entry and an image's configuration describe it. Some leave parts out.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl From<Described> for Platform {
    fn from(described: Described) -> Self {
        Self::new(&described.os, &described.architecture, described.variant.as_deref())
    }
}

impl Platform {
    /// A platform under the names that registries use: `aarch64` is `arm64`, whose default variant is `v8`.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, variant) = match (architecture, variant.filter(|variant| !variant.is_empty())) {
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", Some("v8") | None) => ("arm64", None),
            ("aarch64", variant) => ("arm64", variant),
            ("x86" | "i386", variant) => ("386", variant),
            other => other,
        };
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// The platform of this machine's containers. On systems other than Linux and Windows, containers run in a Linux
    /// virtual machine.
    pub fn of_host() -> Self {
        let os = if cfg!(windows) { "windows" } else { "linux" };
        Self::new(os, of_target(std::env::consts::ARCH, cfg!(target_endian = "little")), None)
    }

    /// Whether it names an operating system and an architecture. Builders list attestations as `unknown/unknown`, and some
    /// images name neither.
    pub fn is_known(&self) -> bool {
        let is_known = |part: &str| !part.is_empty() && part != "unknown";
        is_known(&self.os) && is_known(&self.architecture)
    }

    /// Whether this platform includes another: a platform without a variant means any variant.
    pub fn takes(&self, other: &Self) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.variant == other.variant)
    }
}

/// The registries' name for the architecture that Rust calls `target`. Rust has one name for both byte orders.
fn of_target(target: &str, is_little_endian: bool) -> &str {
    match (target, is_little_endian) {
        ("powerpc64", true) => "ppc64le",
        ("powerpc64", false) => "ppc64",
        ("mips64", true) => "mips64le",
        ("loongarch64", _) => "loong64",
        (other, _) => other,
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            _ if parts.iter().any(|part| part.is_empty()) => {}
            [os, architecture] => return Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => return Ok(Self::new(os, architecture, Some(variant))),
            _ => {}
        }
        Err("write os/arch or os/arch/variant, such as linux/arm64".to_owned())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn a_platform_is_written_with_slashes() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm/v7", "linux/arm/v7"),
        ] {
            assert_eq!(platform(text).to_string(), shown);
        }
        for text in ["", "linux", "linux/", "a/b/c/d", "/amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_s_architecture_has_the_name_of_its_byte_order() {
        for (target, is_little_endian, name) in [
            ("powerpc64", true, "ppc64le"),
            ("powerpc64", false, "ppc64"),
            ("mips64", true, "mips64le"),
            ("mips64", false, "mips64"),
            ("loongarch64", true, "loong64"),
            ("s390x", false, "s390x"),
        ] {
            assert_eq!(of_target(target, is_little_endian), name);
        }
        assert_eq!(Platform::new("linux", of_target("aarch64", true), None).to_string(), "linux/arm64");
    }
}
