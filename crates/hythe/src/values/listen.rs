//! An address that the registry listens on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::ValueError;

/// An address that the registry listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// One address of this machine.
    Address(SocketAddr),
    /// Every interface, written `:PORT`: IPv6 and IPv4 if the system has both.
    Everywhere(u16),
}

impl Listen {
    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Everywhere(_) => false,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Everywhere(port) => *port,
        }
    }

    /// The addresses to try to bind: the first that the system accepts counts. A kernel without IPv6 refuses `[::]`.
    pub fn candidates(&self) -> Vec<SocketAddr> {
        match self {
            Self::Address(address) => vec![*address],
            Self::Everywhere(port) => vec![
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port),
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port),
            ],
        }
    }
}

impl FromStr for Listen {
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
                "write ADDRESS:PORT, such as 127.0.0.1:5001, [::1]:5001, localhost:5001, or :5001 for all interfaces",
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

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Everywhere(port) => write!(f, ":{port}"),
        }
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
    fn an_address_without_port_or_a_host_name_is_refused() {
        for text in
            ["", ":", "5000", "127.0.0.1", "registry:5000", "::1:5001:", ":70000", ":+80", "127.0.0.1:5001 "]
        {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        assert!("5000".parse::<Listen>().unwrap_err().to_string().contains("127.0.0.1:5000"));
    }
}
