//! Labels of nodes that may run the registry, and of Pods that may reach it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::name::{ValueError, dns_subdomain};

/// A label and its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    key: String,
    value: String,
}

impl Label {
    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The label's value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for Label {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |reason: &str| ValueError::new(text, format!("is not a label: {reason}"));
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("write KEY=VALUE"))?;
        let name = match key.split_once('/') {
            Some((prefix, name)) => {
                dns_subdomain(prefix).map_err(|_| wrong("the part before the / is not a domain"))?;
                name
            }
            None => key,
        };
        if name.is_empty() || !is_word(name) {
            return Err(wrong(
                "its name may have at most 63 characters of A-Z, a-z, 0-9, -, _ and ., and has to begin and end with a letter \
                 or a digit",
            ));
        }
        if !is_word(value) {
            return Err(wrong(
                "its value may have at most 63 characters of A-Z, a-z, 0-9, -, _ and ., and has to begin and end with a letter \
                 or a digit",
            ));
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// Whether a text is the name or the value of a label. A value may be empty.
fn is_word(text: &str) -> bool {
    let sign = |c: char| matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.chars().all(|c| c.is_ascii_alphanumeric() || sign(c))
        && !text.starts_with(sign)
        && !text.ends_with(sign)
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.value)
    }
}

/// A client that may reach the registry, if access is restricted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The Pods of any namespace with this label.
    Pods(Label),
    /// A range of addresses, such as that of the nodes, from which kubelets pull.
    Addresses {
        /// The first address of the range.
        address: IpAddr,
        /// The length of the range's prefix, in bits.
        bits: u8,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(label) => label.fmt(f),
            Self::Addresses { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

impl FromStr for Peer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.contains('=') {
            return text.parse().map(Self::Pods);
        }
        let wrong = || {
            ValueError::new(
                text,
                "is neither a label (app=ci) nor a range of addresses (10.0.0.0/8, 192.0.2.7/32)",
            )
        };
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if bits > if address.is_ipv4() { 32 } else { 128 } {
            return Err(wrong());
        }
        Ok(Self::Addresses { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_kubernetes_accepts_are_accepted_and_others_refused() {
        for text in ["app=ci", "kubernetes.io/hostname=kind-worker", "a=", "a.b_c-d=1.2_3-4"] {
            assert_eq!(text.parse::<Label>().unwrap().to_string(), text);
        }
        for text in
            ["app", "=x", "a b=c", "-a=b", "a=b-", "a=b/c", "A_B/c=d", &format!("a={}", "x".repeat(64))]
        {
            let error = text.parse::<Label>().unwrap_err().to_string();
            assert!(error.contains("is not a label"), "{error}");
        }
    }

    #[test]
    fn a_peer_is_a_label_or_a_range_of_addresses() {
        assert_eq!("app=ci".parse(), Ok(Peer::Pods("app=ci".parse().unwrap())));
        let address = "10.0.0.0".parse().unwrap();
        assert_eq!("10.0.0.0/8".parse(), Ok(Peer::Addresses { address, bits: 8 }));
        assert!("fd00::/8".parse::<Peer>().is_ok());
        for text in ["", "10.0.0.1", "10.0.0.0/33", "example/8"] {
            assert!(text.parse::<Peer>().is_err(), "{text}");
        }
    }
}
