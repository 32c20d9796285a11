//! A host name, as in a `Host` header, without its port.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// A host name without its port, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
        };
        let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let valid = match literal {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => text.len() <= 253 && text.split('.').all(label),
        };
        if valid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ValueError::new("write a host name without scheme and port, such as registry.example"))
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_an_address_and_a_container_s_name_are_hosts_and_a_url_is_not() {
        for text in ["registry.example", "kind-registry", "my_registry", "10.0.0.1", "[::1]"] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), text);
        }
        for text in ["", "https://registry.example", "registry.example:5000", "a..b", "*", "[x]", "a b"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}
