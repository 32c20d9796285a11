//! A registry that is a process of the machine: nodes reach it at the gateways of their networks, where it listens.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::models::NetworkInspect;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::NO_NETWORK;
use crate::engine::{Engine, EngineError};
use crate::http::Silence;
use crate::http::inside::ask;
use crate::step::{Outcome, Report, Step};
use crate::topology::Node;

/// A registry that is a process of the machine.
#[derive(Clone, Debug)]
pub struct Process {
    port: u16,
    listeners: mpsc::Sender<TcpListener>,
    /// Where it listens, by network.
    gateways: Arc<Mutex<BTreeMap<String, IpAddr>>>,
}

impl Process {
    /// One that is handed what it is to listen on besides.
    pub fn new(port: u16, listeners: mpsc::Sender<TcpListener>) -> Self {
        Self { port, listeners, gateways: Arc::default() }
    }

    fn gateways(&self) -> MutexGuard<'_, BTreeMap<String, IpAddr>> {
        // Held for one operation on the map.
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the first of these networks that it listens on leads to it.
    pub(super) fn address(&self, networks: &[String]) -> Option<SocketAddr> {
        let gateways = self.gateways();
        networks.iter().find_map(|network| Some(SocketAddr::new(*gateways.get(network)?, self.port)))
    }

    /// The same for a node, as the error that says why it is not reached.
    pub(super) fn endpoint(&self, node: &Node) -> Result<String, EngineError> {
        self.address(&node.networks).map(|address| format!("http://{address}")).ok_or_else(|| {
            EngineError::Refused {
                doing: format!("lead {} to this machine", node.name),
                status: None,
                message:
                    "the registry listens on none of its networks; without --process it is on them itself"
                        .to_owned(),
            }
        })
    }

    /// Has it listen where a network leads to the machine; whether it does.
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
            // Another one of the node's may have one.
            let text = "it has no gateway, by which its nodes would reach this machine";
            report(Step::new(subject, Outcome::Skipped, text));
            return Ok(true);
        };
        let at = SocketAddr::new(gateway, self.port);
        if self.gateways().get(network) == Some(&gateway) {
            report(Step::new(subject, Outcome::Unchanged, format!("the registry listens on {at}")));
            return Ok(true);
        }
        let is_bound = self.gateways().values().any(|bound| *bound == gateway);
        if !is_bound {
            match TcpListener::bind(at).await {
                // Where nobody takes it any more, the registry is about to end.
                Ok(listener) => drop(self.listeners.send(listener).await),
                Err(error) => {
                    self.gateways().remove(network);
                    report(Step::new(subject, Outcome::Failed, not_bound(at, error.kind(), &error)));
                    return Ok(false);
                }
            }
        }
        self.gateways().insert(network.to_owned(), gateway);
        let text = format!("the registry listens on {at}; who reaches that can push and delete");
        report(Step::new(subject, Outcome::Changed, text));
        Ok(true)
    }

    /// Why a node that is led there would not come through to it, if so.
    pub(super) async fn check(&self, engine: &Engine, node: &Node, endpoint: &str) -> Result<(), String> {
        let url = format!("{endpoint}/v2/");
        let (said, why) = match ask(engine, &node.name, "GET", &url, "*/*", true).await {
            Ok(answer) if answer.status == 200 => return Ok(()),
            // It cannot be told.
            Err(Silence::NoTool) => return Ok(()),
            Ok(answer) => (answer.clause(), "another program answers there"),
            Err(silence @ (Silence::TimedOut | Silence::Refused | Silence::NoRoute)) => (
                silence.to_string(),
                "a firewall of this machine is probably in the way: let in what comes from the networks of containers, \
                 or leave --process out",
            ),
            Err(silence) => (silence.to_string(), "it was left as it is"),
        };
        Err(format!("it does not reach the registry, GET {url}: {said}; {why}"))
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
            "its gateway {} is no address of this machine: the engine runs in a machine of its own (Docker Desktop, \
             Colima, ssh) or without root. Without --process the registry runs in the engine, where nodes reach it",
            at.ip()
        ),
        ErrorKind::AddrInUse => format!("another program listens on {at}: choose another port with --port"),
        _ => format!("{at} cannot be listened on: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{Ipam, IpamConfig};

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
    fn what_keeps_it_from_listening_is_named() {
        let at = "172.18.0.1:5001".parse().unwrap();
        let said = |kind: ErrorKind| not_bound(at, kind, &kind.into());
        assert!(said(ErrorKind::AddrNotAvailable).contains("no address of this machine"));
        assert!(said(ErrorKind::AddrInUse).contains("--port"));
        assert!(said(ErrorKind::PermissionDenied).starts_with("172.18.0.1:5001 cannot be listened on"));
    }
}
