//! The names of this registry: which `Host` a loopback listener accepts, and which `?ns=` means this registry.

use std::net::IpAddr;

use hythe_oci::Authority;

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Parses `host[:port]`; also an IPv6 address without brackets, which some clients send.
fn parse(authority: &str) -> Option<Authority> {
    authority.parse().or_else(|_| format!("[{authority}]").parse()).ok()
}

/// Whether `hosts` lists the name. A listed name without a port matches every port.
fn is_listed(authority: &Authority, hosts: &[String]) -> bool {
    let listed = hosts.iter().filter_map(|known| parse(known));
    let mut same_host = listed.filter(|known| known.host() == authority.host());
    same_host.any(|known| known.port().is_none() || known.port() == authority.port())
}

/// Whether the name is `localhost` or `127.0.0.1`, with or without a port. Nearly every request has one of these, so
/// this fast check avoids parsing.
fn is_plainly_loopback(authority: &str) -> bool {
    let port = authority.strip_prefix("localhost").or_else(|| authority.strip_prefix("127.0.0.1"));
    port.is_some_and(|port| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    })
}

/// Whether a loopback listener accepts this `Host`. A web page whose name was made to resolve to 127.0.0.1 (DNS
/// rebinding) sends that name, which is refused.
pub(crate) fn is_allowed(authority: &str, hosts: &[String]) -> bool {
    is_plainly_loopback(authority)
        || parse(authority)
            .is_some_and(|authority| is_loopback(authority.host()) || is_listed(&authority, hosts))
}

/// Whether containers and nodes may use this `Host`: an address, a name of one label, or a name in `.internal`. No
/// public DNS name has such a form, so DNS rebinding cannot use one.
pub(crate) fn is_inner(authority: &str) -> bool {
    parse(authority).is_some_and(|authority| {
        let host = authority.host();
        authority.address().is_some() || !host.contains('.') || host.ends_with(".internal")
    })
}

/// Whether `?ns=` names this registry: loopback, a configured name, or a name of one label, because a container
/// cannot know under which port and name the host publishes it (DESIGN, decision 6).
pub(crate) fn is_this_registry(namespace: &str, hosts: &[String]) -> bool {
    let Some(authority) = parse(namespace) else { return false };
    let single_label = !authority.host().contains(['.', ':']);
    single_label || is_loopback(authority.host()) || is_listed(&authority, hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_loopback_is_allowed() {
        for host in [
            "localhost",
            "localhost:5001",
            "LOCALHOST",
            "localhost.",
            "registry.localhost:80",
            "127.0.0.1:5001",
            "127.9.9.9",
            "[::1]:5001",
            "[::1]",
            "::1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_allowed(host, &[]), "{host}");
        }
    }

    #[test]
    fn other_names_are_refused_unless_configured() {
        let hosts = ["registry.local".to_owned(), "mirror.example:8080".to_owned()];
        for host in [
            "evil.example",
            "localhost.evil.example",
            "localhostess",
            "127.0.0.1.evil.example:5001",
            "localhost:",
            "localhost:5001.evil.example",
            "192.168.1.5:5001",
            "",
            "registry.local",
        ] {
            assert!(!is_allowed(host, &[]), "{host}");
        }
        assert!(is_allowed("registry.local:5001", &hosts));
        assert!(is_allowed("Mirror.Example:8080", &hosts));
        assert!(!is_allowed("mirror.example:9090", &hosts));
    }

    #[test]
    fn containers_and_nodes_use_addresses_and_names_that_public_dns_does_not_have() {
        for (host, inner) in [
            ("hythe:5001", true),
            ("kind-registry", true),
            ("172.18.0.2:5000", true),
            ("[fd00::2]:5000", true),
            ("host.docker.internal:5001", true),
            ("evil.example:5001", false),
            ("internal.evil.example", false),
            ("172.18.0.2.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_inner(host), inner, "{host}");
        }
    }

    #[test]
    fn a_namespace_of_one_label_is_this_registry_and_a_public_host_is_not() {
        for (namespace, ours) in [
            ("localhost:5001", true),
            ("kind-registry:5000", true),
            ("registry", true),
            ("docker.io", false),
            ("ghcr.io", false),
            ("", false),
            ("127.0.0.1:5001", true),
            ("10.0.0.1:5000", false),
            ("http://docker.io", false),
            ("user@localhost", false),
        ] {
            assert_eq!(is_this_registry(namespace, &[]), ours, "{namespace}");
        }
    }
}
