//! A registry's address, `host[:port]`, as `?ns=` and the configuration write it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A registry's host, and its port if that is not the default port of HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

/// Why a text is not a `host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a registry's host, with or without a port: {reason}")]
pub struct AuthorityError {
    text: String,
    reason: &'static str,
}

impl Authority {
    /// The name or address, in lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if the text has one that is not 443. A registry without a port has port 443.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The first component of the names of the copies of this registry's repositories. A component has no colon
    /// (distribution-spec, Pulling manifests), so two underscores precede the port; no host name has them at that
    /// place.
    pub fn folder(&self) -> String {
        self.to_string().replace(':', "__")
    }

    /// Whether the host is this machine: a loopback address, `localhost`, or a name below it (RFC 6761, 6.3).
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.address().is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// The host as an IP address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Whether the text is a host name (RFC 1123, 2.1): letters, digits and hyphens, separated by dots. Underscores are
/// allowed too, because container names have them.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

impl FromStr for Authority {
    type Err = AuthorityError;

    fn from_str(text: &str) -> Result<Self, AuthorityError> {
        let refuse = |reason| AuthorityError { text: text.to_owned(), reason };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(refuse("a `[` without its `]`"))?;
            let host: Ipv6Addr =
                host.parse().map_err(|_| refuse("the text in brackets is not an IPv6 address"))?;
            let port = match rest {
                "" => None,
                rest => Some(rest.strip_prefix(':').ok_or(refuse("only a port may follow the `]`"))?),
            };
            (host.to_string(), port)
        } else {
            let (host, port) = match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            };
            // A name may end in one dot, which marks it as fully qualified.
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            if host.contains(':') {
                return Err(refuse("write an IPv6 address in brackets"));
            }
            if !is_name(&host) {
                return Err(refuse("a host name has letters, digits and hyphens, separated by dots"));
            }
            (host, port)
        };
        let is_number = |port: &&str| !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit());
        let port = port
            .map(|port| {
                Some(port)
                    .filter(is_number)
                    .and_then(|port| port.parse::<u16>().ok())
                    .filter(|port| *port > 0)
            })
            .map(|port| port.ok_or(refuse("a port is a number from 1 to 65535")))
            .transpose()?;
        Ok(Self { host, port: port.filter(|port| *port != 443) })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
