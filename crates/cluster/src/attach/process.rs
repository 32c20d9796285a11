//! A registry that is a process on this machine. Nodes reach it at the gateways of their networks, on which it listens.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hythe_engine::models::NetworkInspect;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::NO_NETWORK;
use crate::http::Silence;
use crate::http::inside::ask;
use crate::step::{Outcome, Report, Step};
use crate::topology::Node;
use hythe_engine::{Engine, EngineError};

/// A registry that is a process on this machine.
#[derive(Clone, Debug)]
pub struct Process {
    port: u16,
    listeners: mpsc::Sender<TcpListener>,
    /// The gateways on which it listens, by network.
    gateways: Arc<Mutex<BTreeMap<String, IpAddr>>>,
}

impl Process {
    /// A registry on this port; it gets further listeners through `listeners`.
    pub fn new(port: u16, listeners: mpsc::Sender<TcpListener>) -> Self {
        Self { port, listeners, gateways: Arc::default() }
    }

    /// The registry's address on the first of these networks on which it listens.
    pub(super) fn address(&self, networks: &[String]) -> Option<SocketAddr> {
        let gateways = self.gateways.lock();
        networks.iter().find_map(|network| Some(SocketAddr::new(*gateways.get(network)?, self.port)))
    }

    /// The registry's address for a node, or the error that says why the node cannot reach it.
    pub(super) fn endpoint(&self, node: &Node) -> Result<String, EngineError> {
        self.address(&node.networks).map(|address| format!("http://{address}")).ok_or_else(|| {
            EngineError::Refused {
                doing: format!("connect {} to the registry on this machine", node.name),
                status: None,
                message:
                    "the registry listens on none of the node's networks. Without --process the registry runs as a container \
                     on these networks"
                        .to_owned(),
            }
        })
    }

    /// Has the registry listen on a network's gateway, which is this machine. Returns false on failure.
    pub(super) async fn listen_on(
        &self,
        engine: &Engine,
        network: &str,
        report: Report<'_>,
    ) -> Result<bool, EngineError> {
        let subject = format!("network {network}");
        let Some(found) = engine.network(network).await? else {
            report(Step::new(subject, Outcome::Failed, NO_NETWORK));
            return Ok(false);
        };
        let Some(gateway) = gateway(&found) else {
            // Another network of the node may have a gateway.
            let text = "it has no gateway through which its nodes could reach this machine";
            report(Step::new(subject, Outcome::Skipped, text));
            return Ok(true);
        };
        let at = SocketAddr::new(gateway, self.port);
        if self.gateways.lock().get(network) == Some(&gateway) {
            report(Step::new(subject, Outcome::Unchanged, format!("the registry listens on {at}")));
            return Ok(true);
        }
        let is_bound = self.gateways.lock().values().any(|bound| *bound == gateway);
        if !is_bound {
            match TcpListener::bind(at).await {
                // Sending fails only when the registry is about to end.
                Ok(listener) => drop(self.listeners.send(listener).await),
                Err(error) => {
                    self.gateways.lock().remove(network);
                    report(Step::new(subject, Outcome::Failed, not_bound(at, error.kind(), &error)));
                    return Ok(false);
                }
            }
        }
        self.gateways.lock().insert(network.to_owned(), gateway);
        let text = format!("the registry listens on {at}; every client that reaches it can push and delete");
        report(Step::new(subject, Outcome::Changed, text));
        Ok(true)
    }

    /// Checks that a node can reach the registry at `endpoint`; the error says why not.
    pub(super) async fn check(&self, engine: &Engine, node: &Node, endpoint: &str) -> Result<(), String> {
        let url = format!("{endpoint}/v2/");
        let (said, why) = match ask(engine, &node.name, "GET", &url, "*/*", true).await {
            Ok(answer) if answer.status == 200 => return Ok(()),
            // The node has no tool to send a request: assume that it works.
            Err(Silence::NoTool) => return Ok(()),
            Ok(answer) => (answer.clause(), "another program answers there"),
            Err(silence @ (Silence::TimedOut | Silence::Refused | Silence::NoRoute)) => (
                silence.to_string(),
                "a firewall on this machine probably blocks it: allow connections from the containers' networks, or \
                 leave --process out",
            ),
            Err(silence) => (silence.to_string(), "the node was not changed"),
        };
        Err(format!("it cannot reach the registry: GET {url}: {said}; {why}"))
    }
}

/// The machine's own address on a network, IPv4 before IPv6.
fn gateway(network: &NetworkInspect) -> Option<IpAddr> {
    let configs = network.ipam.as_ref()?.config.as_deref()?;
    let gateways = configs.iter().filter_map(|config| config.gateway.as_deref());
    let mut addresses: Vec<IpAddr> =
        gateways.filter_map(|text| text.split('/').next()?.parse().ok()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.into_iter().next()
}

fn not_bound(at: SocketAddr, kind: ErrorKind, error: &std::io::Error) -> String {
    match kind {
        ErrorKind::AddrNotAvailable => format!(
            "its gateway {} is not an address of this machine: the engine runs in another machine (Docker Desktop, Colima, \
             ssh) or without root. Leave --process out: then the registry runs in the engine, where nodes reach it",
            at.ip()
        ),
        ErrorKind::AddrInUse => format!("another program listens on {at}: choose another port with --port"),
        _ => format!("cannot listen on {at}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use hythe_engine::models::{Ipam, IpamConfig};

    use super::*;

    fn network(gateways: &[&str]) -> NetworkInspect {
        let config = |gateway: &&str| IpamConfig {
            gateway: Some((*gateway).to_owned()).filter(|gateway| !gateway.is_empty()),
            ..IpamConfig::default()
        };
        let ipam = Ipam { config: Some(gateways.iter().map(config).collect()), ..Ipam::default() };
        NetworkInspect { ipam: Some(ipam), ..NetworkInspect::default() }
    }

    #[test]
    fn the_gateway_of_a_network_is_the_machine() {
        for (gateways, wanted) in [
            (&["172.18.0.1"][..], Some("172.18.0.1")),
            (&["fc00:f853::1", "172.18.0.1"], Some("172.18.0.1")),
            (&["", "fc00:f853::1/64"], Some("fc00:f853::1")),
            (&[""], None),
            (&[], None),
        ] {
            let wanted = wanted.map(|text| text.parse().unwrap());
            assert_eq!(gateway(&network(gateways)), wanted, "{gateways:?}");
        }
    }

    #[test]
    fn an_error_names_what_prevents_listening() {
        let at = "172.18.0.1:5001".parse().unwrap();
        let said = |kind: ErrorKind| not_bound(at, kind, &kind.into());
        assert!(said(ErrorKind::AddrNotAvailable).contains("not an address of this machine"));
        assert!(said(ErrorKind::AddrInUse).contains("--port"));
        assert!(said(ErrorKind::PermissionDenied).starts_with("cannot listen on 172.18.0.1:5001"));
    }
}
