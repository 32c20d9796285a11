//! Whether the registry that a file or a ConfigMap names still exists.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hythe_kube::api::{Access, ApiError, Kind, Object};
use hythe_kube::hosting::{Hosting, Published};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::containerd::Version;
use crate::hosts::HostsFile;
use crate::registry::{self, Found};
use hythe_engine::{Engine, EngineError};

/// Time limit for a process on this machine to accept a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether the registry for which hythe wrote this file in a node no longer exists.
pub(super) async fn is_gone(engine: &Engine, registry: &str, file: &str) -> Result<bool, EngineError> {
    // A registry in a cluster is not looked for: the engine does not know it, and its files are for its own names only,
    // so they hinder no other registry.
    if registry.split('.').nth(2) == Some("svc") {
        return Ok(false);
    }
    let is_hythe = match registry::find(engine, registry).await? {
        Found::Ours(_) | Found::Theirs(_) => true,
        Found::Absent => registry::is_cut(engine, registry).await?,
        Found::Foreign(_) => false,
    };
    if is_hythe {
        return Ok(false);
    }
    // A process on this machine has no container; its files lead to an address, which is tried.
    Ok(match address(file) {
        Some(address) => !listens(address).await,
        None => true,
    })
}

/// The address that a file leads to, if it is an IP address and not a name.
fn address(file: &str) -> Option<SocketAddr> {
    let file = HostsFile::parse(file, Version::new(2, 1, 0)).ok()?;
    let urls = file.hosts.iter().chain([&file.server]).map(|host| host.url.as_str());
    urls.into_iter().find_map(|url| url.strip_prefix("http://")?.parse().ok())
}

async fn listens(at: SocketAddr) -> bool {
    timeout(PATIENCE, TcpStream::connect(at)).await.is_ok_and(|connected| connected.is_ok())
}

/// The other registry that a ConfigMap names, if that registry still exists.
pub(crate) async fn other(
    engine: &Engine,
    access: &Access,
    published: &Result<Published, ApiError>,
    own: &Hosting,
) -> Option<String> {
    let Ok(Published::Differs { found, .. }) = published else { return None };
    match Named::of(found, own)? {
        Named::Service { namespace, name } => {
            let there = access.exists(&Object::new(Kind::Service, &namespace, &name)).await.ok()?;
            there.then(|| format!("the registry {namespace}/{name} in the cluster"))
        }
        Named::Container(name) => {
            let state = engine.container(&name).await.ok()??.state;
            let runs = state.is_some_and(|state| state.running == Some(true));
            runs.then(|| format!("the container {name}"))
        }
        Named::Address(at) => listens(at).await.then(|| format!("the registry at {at}")),
    }
}

/// The registry that a ConfigMap names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Service { namespace: String, name: String },
    Container(String),
    Address(SocketAddr),
}

impl Named {
    /// The other registry that the ConfigMap names. `None` if it is this registry under an earlier port, or cannot be
    /// looked up.
    fn of(found: &Hosting, own: &Hosting) -> Option<Self> {
        let host = |text: &Option<String>| {
            let text = text.as_deref()?;
            Some(text.rsplit_once(':').map_or(text, |(host, _)| host).to_owned())
        };
        let Some(inside) = host(&found.host_from_cluster_network) else {
            // The ConfigMap was written by another tool and has only the registry's address on this machine.
            let port = found.host.as_deref().filter(|at| Some(*at) != own.host.as_deref())?;
            let port = port.strip_prefix("localhost:").or_else(|| port.strip_prefix("127.0.0.1:"))?;
            return Some(Self::Address((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()));
        };
        if Some(&inside) == host(&own.host_from_cluster_network).as_ref() {
            return None;
        }
        let mut parts = inside.split('.');
        if let (Some(name), Some(namespace), Some("svc")) = (parts.next(), parts.next(), parts.next()) {
            return Some(Self::Service { namespace: namespace.to_owned(), name: name.to_owned() });
        }
        match inside.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(_) => Some(Self::Address(found.host_from_cluster_network.as_deref()?.parse().ok()?)),
            Err(_) => Some(Self::Container(inside)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::{Author, Endpoint};

    fn hosting(host: &str, inside: &str) -> Hosting {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Hosting { host: text(host), host_from_cluster_network: text(inside), ..Hosting::default() }
    }

    #[test]
    fn a_configmap_names_a_service_a_container_or_an_address() {
        let own = hosting("localhost:5001", "kind-registry:5000");
        let address = |text: &str| Some(Named::Address(text.parse().unwrap()));
        let service = Named::Service { namespace: "ns".to_owned(), name: "reg".to_owned() };
        for (host, inside, expected) in [
            ("localhost:5000", "reg.ns.svc.cluster.local:5000", Some(service)),
            ("localhost:5002", "r3:5000", Some(Named::Container("r3".to_owned()))),
            ("localhost:5002", "172.18.0.1:5002", address("172.18.0.1:5002")),
            ("localhost:5002", "", address("127.0.0.1:5002")),
            // This registry, on its previous port.
            ("localhost:5002", "kind-registry:5000", None),
            ("localhost:5001", "", None),
            ("registry.example", "", None),
        ] {
            assert_eq!(Named::of(&hosting(host, inside), &own), expected, "{host} {inside}");
        }
    }

    #[test]
    fn a_file_leads_to_an_address_only_where_the_registry_is_a_process() {
        let led = |url: &str| {
            let endpoint: Endpoint = url.parse().unwrap();
            let own = HostsFile::own(&endpoint).render(Author::Hythe("r"));
            let mirror =
                HostsFile::mirror(&"docker.io".parse().unwrap(), &endpoint).render(Author::Hythe("r"));
            assert_eq!(address(&own), address(&mirror));
            address(&own).map(|at| at.to_string())
        };
        assert_eq!(led("http://172.18.0.1:5001").as_deref(), Some("172.18.0.1:5001"));
        assert_eq!(led("http://kind-registry:5000"), None);
    }
}
