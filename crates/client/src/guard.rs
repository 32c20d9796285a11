//! Decides which hosts a client may connect to: every public host, and the hosts that the configuration names.

use std::fmt;
use std::net::IpAddr;

use hyper_util::client::proxy::matcher::Matcher;
use hythe_oci::Authority;
use url::{Position, Url};

use crate::address::is_public;
use crate::remedy::Remedy;

/// Decides whether a connection may be made.
///
/// An address in a URL is checked before the request is sent. A name is checked when its addresses are known, each time
/// it is dialled: what a name server said a moment ago proves nothing (DNS rebinding).
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// The endpoint's host; `None` if no operator configured it, so that it must be public like any other host.
    endpoint: Option<String>,
    named: Vec<Authority>,
    /// The hosts of proxies. They may be private, but requests to them may only be ones that they forward.
    proxies: Vec<String>,
}

/// How a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To any address: the host was named.
    Named,
    /// To public addresses only: the host was not named.
    Guarded,
}

/// A host that the client must not connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedHost {
    host: String,
    why: &'static str,
}

impl fmt::Display for RefusedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, why } = self;
        write!(f, "`{host}` {why}")
    }
}

impl std::error::Error for RefusedHost {}

impl RefusedHost {
    /// What would allow the host.
    pub(crate) fn remedy(&self) -> Remedy {
        Remedy::PrivateHost(self.host.clone())
    }

    pub(crate) fn private(host: &str, address: IpAddr) -> Self {
        let why =
            if host == address.to_string() { "is not a public address" } else { "has no public address" };
        Self { host: host.to_owned(), why }
    }
}

/// A URL's host in the form of [`Authority::host`]: addresses as Rust writes them, without brackets; names without the
/// dot that may end them. Empty for a URL without a host.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = without_brackets(host);
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.strip_suffix('.').unwrap_or(host).to_owned(),
    }
}

/// A URL's host, and its port if that is not the scheme's default.
pub(crate) fn authority_of(url: &Url) -> String {
    url[Position::BeforeHost..Position::AfterPort].to_owned()
}

/// A host without the brackets that a URL puts around an IPv6 address.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl Guard {
    /// `trusted` says whether the endpoint itself may have a private address.
    pub(crate) fn new(endpoint: &Url, trusted: bool, named: Vec<Authority>) -> Self {
        let matcher = Matcher::from_system();
        let proxy = |target| matcher.intercept(&target)?.uri().host().map(str::to_owned);
        // Names that never exist (RFC 6761, 6.4), so that no NO_PROXY lists them.
        let targets = ["http://any.invalid/", "https://any.invalid/"].into_iter();
        let proxies = targets.filter_map(|target| proxy(target.parse().ok()?)).collect();
        Self { endpoint: trusted.then(|| host_of(endpoint)), named, proxies }
    }

    /// Whether the configuration names the URL's host: as the endpoint's host (at every port, but not with `public_only`), or
    /// in `private_hosts` with this port or without a port. Such a host may have a private address, and may receive
    /// credentials as a token server.
    pub(crate) fn is_named(&self, url: &Url) -> bool {
        let host = host_of(url);
        let port = url.port_or_known_default();
        let is_it = |named: &Authority| {
            let named_host = named.address().map_or_else(|| named.host().to_owned(), |ip| ip.to_string());
            named_host == host && named.port().is_none_or(|named| Some(named) == port)
        };
        self.endpoint.as_ref() == Some(&host) || self.named.iter().any(is_it)
    }

    /// How a request to `url` may be sent, or why it must not be.
    pub(crate) fn way(&self, url: &Url) -> Result<Way, RefusedHost> {
        if self.is_named(url) {
            return Ok(Way::Named);
        }
        let host = host_of(url);
        if let Ok(address) = host.parse()
            && !is_public(address)
        {
            return Err(RefusedHost::private(&host, address));
        }
        if self.is_proxy(&host) {
            return Err(RefusedHost { host, why: "is the configured proxy, not a registry or its storage" });
        }
        Ok(Way::Guarded)
    }

    /// Whether the name is a proxy's, which may be dialled at private addresses.
    pub(crate) fn is_proxy(&self, host: &str) -> bool {
        self.proxies.iter().any(|proxy| proxy.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let named = ["storage.lan", "10.0.0.9:9000", "[fd00::9]"];
        Guard {
            endpoint: Some("127.0.0.1".to_owned()),
            named: named.iter().map(|named| named.parse().unwrap()).collect(),
            proxies: vec!["proxy.lan".to_owned()],
        }
    }

    fn way(url: &str) -> Option<Way> {
        guard().way(&url.parse().unwrap()).ok()
    }

    #[test]
    fn only_named_hosts_may_be_private() {
        for (url, expected) in [
            ("http://127.0.0.1:5000/v2/", Some(Way::Named)),
            ("http://127.0.0.1/v2/", Some(Way::Named)),
            ("https://storage.lan/x", Some(Way::Named)),
            ("http://STORAGE.lan.:8080/x", Some(Way::Named)),
            ("http://10.0.0.9:9000/x", Some(Way::Named)),
            ("http://[fd00:0::9]/x", Some(Way::Named)),
            ("https://cdn.example/x", Some(Way::Guarded)),
            ("https://1.1.1.1/x", Some(Way::Guarded)),
            // Names are checked by their addresses, when they are dialled.
            ("http://localhost/x", Some(Way::Guarded)),
            ("http://10.0.0.9/x", None),
            ("http://10.0.0.10:9000/x", None),
            ("http://169.254.169.254/latest/meta-data", None),
            ("http://proxy.lan:3128/x", None),
            // Other spellings of loopback are other hosts.
            ("http://127.0.0.2/x", None),
            ("http://[::1]/x", None),
            ("http://[::ffff:127.0.0.1]/x", None),
            ("http://[::ffff:a9fe:a9fe]/x", None),
            ("http://[64:ff9b::a9fe:a9fe]/x", None),
            // Spellings that URLs, as in browsers, accept as an address.
            ("http://2130706434/x", None),
            ("http://0x7f.2/x", None),
            ("http://0251.0376.0251.0376/x", None),
            ("http://169.254.169.254./x", None),
            ("http://0/x", None),
        ] {
            assert_eq!(way(url), expected, "{url}");
        }
    }

    #[test]
    fn an_endpoint_that_no_operator_configured_must_be_public() {
        let way = |url: &str| {
            let url = url.parse().unwrap();
            Guard::new(&url, false, Vec::new()).way(&url).ok()
        };
        for url in ["https://127.0.0.1", "https://10.0.0.1:5000", "https://169.254.169.254", "https://[::1]"]
        {
            assert_eq!(way(url), None, "{url}");
        }
        for url in ["https://registry.example", "https://localhost", "https://1.1.1.1"] {
            assert_eq!(way(url), Some(Way::Guarded), "{url}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_option_that_allows_it() {
        let refused = guard().way(&"http://10.1.2.3:80/x".parse().unwrap()).unwrap_err();
        assert_eq!(refused.remedy(), Remedy::PrivateHost("10.1.2.3".to_owned()));
        assert_eq!(refused.to_string(), "`10.1.2.3` is not a public address");
    }
}
