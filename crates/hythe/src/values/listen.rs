//! An address that the registry listens on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::ValueError;

/// An address that the registry listens on, written `ADDRESS:PORT`, or with the protocol before it as in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// The address.
    pub place: Place,
    /// The protocol, if it is written. Otherwise it is HTTPS if the server has a certificate, and else HTTP.
    pub scheme: Option<Scheme>,
}

/// The address of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// One address of this machine.
    Address(SocketAddr),
    /// Every interface, written `:PORT`: IPv6 and IPv4 if the system has both.
    Everywhere(u16),
}

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP without TLS, written `http://`.
    Http,
    /// HTTP over TLS, written `https://`.
    Https,
}

impl Scheme {
    const ALL: [(&'static str, Self); 2] = [("http://", Self::Http), ("https://", Self::Https)];
}

impl Listen {
    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        match self.place {
            Place::Address(address) => address.ip().to_canonical().is_loopback(),
            Place::Everywhere(_) => false,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self.place {
            Place::Address(address) => address.port(),
            Place::Everywhere(port) => port,
        }
    }

    /// The addresses to try to bind: the first that the system accepts counts. A kernel without IPv6 refuses `[::]`.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        match self.place {
            Place::Address(address) => vec![address],
            Place::Everywhere(port) => vec![
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port),
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
            ],
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { place: Place::Address(address), scheme: None }
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = Scheme::ALL.iter().find_map(|(word, scheme)| Some((*scheme, text.strip_prefix(word)?)));
        Ok(match found {
            // A URL may end with a slash.
            Some((scheme, rest)) => {
                Self { place: rest.strip_suffix('/').unwrap_or(rest).parse()?, scheme: Some(scheme) }
            }
            None => Self { place: text.parse()?, scheme: None },
        })
    }
}

impl FromStr for Place {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if text.parse::<u16>().is_ok() {
            return Err(ValueError::new(format!(
                "a port alone does not say who may connect: write 127.0.0.1:{text} (only this machine) or 0.0.0.0:{text} (the network)"
            )));
        }
        let wrong = || {
            ValueError::new(
                "write ADDRESS:PORT, such as 127.0.0.1:5001, [::1]:5001, localhost:5001, or :5001 for all interfaces, or \
                 https://ADDRESS:PORT for TLS and http://ADDRESS:PORT without TLS",
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        // `u16::from_str` also accepts `+5001`.
        if port.is_empty() || !port.bytes().all(|c| c.is_ascii_digit()) {
            return Err(wrong());
        }
        let port: u16 = port
            .parse()
            .map_err(|_| ValueError::new(format!("{port} is not a port: the highest is 65535")))?;
        match host {
            "" => Ok(Self::Everywhere(port)),
            "localhost" => Ok(Self::Address(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((word, _)) = Scheme::ALL.iter().find(|(_, scheme)| Some(*scheme) == self.scheme) {
            f.write_str(word)?;
        }
        self.place.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:5001", true),
            ("127.8.0.1:5001", true),
            ("[::1]:5001", true),
            ("[::ffff:127.0.0.1]:5001", true),
            ("localhost:5000", true),
            (":5000", false),
            ("0.0.0.0:5000", false),
            ("[::]:5000", false),
            ("192.168.1.2:5000", false),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn a_scheme_before_the_address_says_whether_the_listener_has_tls() {
        for (text, scheme, shown) in [
            ("127.0.0.1:5001", None, "127.0.0.1:5001"),
            ("http://localhost:5001/", Some(Scheme::Http), "http://127.0.0.1:5001"),
            ("https://:5443", Some(Scheme::Https), "https://:5443"),
            ("https://[::1]:5443", Some(Scheme::Https), "https://[::1]:5443"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!((listen.scheme, listen.to_string().as_str()), (scheme, shown));
        }
        for text in ["https://", "https://:5443/v2", "tls://:5443", "https://http://:5443", ":5443/"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_without_port_or_a_host_name_is_refused() {
        for text in
            ["", ":", "5000", "127.0.0.1", "registry:5000", "::1:5001:", ":70000", ":+80", "127.0.0.1:5001 "]
        {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        assert!("5000".parse::<Listen>().unwrap_err().to_string().contains("127.0.0.1:5000"));
    }
}
