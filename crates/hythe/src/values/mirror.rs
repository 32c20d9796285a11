//! A listener for one upstream.

use std::fmt;
use std::str::FromStr;

use hythe_oci::Authority;

use super::{Listen, ValueError, parse_name};

/// A listener that serves one upstream, written `ADDRESS:PORT=NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The address to listen on.
    pub listen: Listen,
    /// The upstream that the listener serves.
    pub upstream: Authority,
}

impl FromStr for Mirror {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (listen, name) = text
            .split_once('=')
            .ok_or_else(|| ValueError::new("write ADDRESS:PORT=NAME, such as 127.0.0.1:5002=docker.io"))?;
        Ok(Self { listen: listen.trim().parse()?, upstream: parse_name(name.trim())? })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.listen, self.upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_an_address_and_an_upstream_s_name() {
        for text in ["127.0.0.1:5002=docker.io", "[::1]:5002=hub.local:5000", ":5002=ghcr.io"] {
            assert_eq!(text.parse::<Mirror>().unwrap().to_string(), text);
        }
        for text in ["", "5002=docker.io", "127.0.0.1:5002", "127.0.0.1:5002=", "docker.io=127.0.0.1:5002"] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
