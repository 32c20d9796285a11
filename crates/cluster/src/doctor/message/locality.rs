//! Where a host is, by its name or address.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locality {
    /// `localhost`, 127.0.0.0/8 or `[::1]`: the client's own machine, node, builder or Pod.
    Loopback,
    /// 0.0.0.0: an address for listening, not for connecting.
    Unspecified,
    /// `k3d-registry.localhost`.
    LocalhostName,
    /// `kind-registry`: a name of a container network.
    Bare,
    /// `registry.kube-system.svc`.
    Service,
    /// An address in Docker's own default network.
    Bridge,
    /// Another private address.
    Private,
    /// A name with dots, such as that of a company's registry or a machine.
    Named,
    /// Docker Hub.
    Hub,
    /// Another public registry, or a public address.
    Public,
}

/// The ends of the names of public registries, and of the hosts to which they send clients for tokens and blobs.
const PUBLIC: [&str; 27] = [
    "ghcr.io",
    "pkg-containers.githubusercontent.com",
    "quay.io",
    "registry.k8s.io",
    "k8s.gcr.io",
    "gcr.io",
    "pkg.dev",
    "mcr.microsoft.com",
    "azurecr.io",
    "public.ecr.aws",
    "amazonaws.com",
    "registry.gitlab.com",
    "lscr.io",
    "nvcr.io",
    "docker.elastic.co",
    "registry.redhat.io",
    "registry.access.redhat.com",
    "fedoraproject.org",
    "registry.suse.com",
    "opensuse.org",
    "container-registry.oracle.com",
    "icr.io",
    "registry.digitalocean.com",
    "docker.pkg.github.com",
    "cgr.dev",
    "xpkg.upbound.io",
    "storage.googleapis.com",
];

/// The ends of Docker Hub's names.
const HUB: [&str; 3] = ["docker.io", "production.cloudflare.docker.com", "production.cloudfront.docker.com"];

impl Locality {
    /// The place of a host, with or without its port.
    pub(super) fn of(authority: &str) -> Self {
        let host = host(authority);
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Self::of_address(address);
        }
        if let Ok(address) = host.parse::<Ipv6Addr>() {
            return match address {
                Ipv6Addr::LOCALHOST => Self::Loopback,
                Ipv6Addr::UNSPECIFIED => Self::Unspecified,
                address if address.is_unique_local() || address.is_unicast_link_local() => Self::Private,
                _ => Self::Public,
            };
        }
        let ends = |ends: &[&str]| {
            ends.iter()
                .any(|end| host.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        match host {
            "localhost" => Self::Loopback,
            host if host.ends_with(".localhost") => Self::LocalhostName,
            host if !host.contains('.') => Self::Bare,
            host if host.split('.').skip(1).any(|label| label == "svc")
                || host.ends_with(".cluster.local") =>
            {
                Self::Service
            }
            _ if ends(&HUB) => Self::Hub,
            _ if ends(&PUBLIC) => Self::Public,
            _ => Self::Named,
        }
    }

    fn of_address(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0, 0, 0, 0] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [172, 17, ..] => Self::Bridge,
            // Some clusters' networks use the carriers' shared addresses (RFC 6598).
            [100, 64..128, ..] => Self::Private,
            _ if address.is_private() || address.is_link_local() => Self::Private,
            _ => Self::Public,
        }
    }
}

/// A host without its port.
pub(super) fn host(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A host's port.
pub(super) fn port(authority: &str) -> Option<u16> {
    let (host, port) = authority.rsplit_once(':')?;
    (!host.contains(':') || host.ends_with(']')).then(|| port.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_address_tells_the_place_of_its_host() {
        for (authority, locality) in [
            ("localhost:5001", Locality::Loopback),
            ("127.0.0.1:5000", Locality::Loopback),
            ("[::1]:5001", Locality::Loopback),
            ("0.0.0.0:5000", Locality::Unspecified),
            ("k3d-registry.localhost:12345", Locality::LocalhostName),
            ("kind-registry:5000", Locality::Bare),
            ("registry.kube-system.svc.cluster.local", Locality::Service),
            ("172.17.0.2:5000", Locality::Bridge),
            ("172.18.0.5:5000", Locality::Private),
            ("192.168.49.1:5000", Locality::Private),
            ("harbor.corp.example", Locality::Named),
            ("registry-1.docker.io", Locality::Hub),
            ("production.cloudflare.docker.com", Locality::Hub),
            ("europe-docker.pkg.dev", Locality::Public),
            ("notquay.io", Locality::Named),
            ("52.1.2.3:443", Locality::Public),
        ] {
            assert_eq!(Locality::of(authority), locality, "{authority}");
        }
    }

    #[test]
    fn a_port_is_told_from_the_end_of_an_address() {
        assert_eq!((host("[::1]:5001"), port("[::1]:5001")), ("::1", Some(5001)));
        assert_eq!((host("::1"), port("::1")), ("::1", None));
        assert_eq!((host("kind-registry"), port("kind-registry")), ("kind-registry", None));
    }
}
