//! The Services of the registry, and the policy of who may connect.

use serde_json::{Value, json};

use super::{manifest, map};
use crate::api::{Kind, Manifest};
use crate::deploy::{PORT, PORT_NAME, Peer, Target};

/// The Service for Pods: `NAME.NAMESPACE.svc.cluster.local:5000`.
pub(super) fn service(target: &Target) -> Manifest {
    let spec = json!({
        "type": "ClusterIP",
        "selector": map(&target.labels()),
        "ports": [{ "name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP" }],
    });
    manifest(target, target.object(Kind::Service), json!({ "spec": spec }))
}

/// The Service for the nodes. It is not part of the Service for Pods, so that it can be left out.
pub(super) fn node_port(target: &Target, port: u16) -> Manifest {
    let spec = json!({
        "type": "NodePort",
        "selector": map(&target.labels()),
        "ports": [{
            "name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "nodePort": port, "protocol": "TCP",
        }],
    });
    manifest(target, target.node_port_service(), json!({ "spec": spec }))
}

/// The policy of who may connect to the registry's port; by default every client may. Nodes pull from addresses that
/// are not known beforehand. Without this policy, a namespace that denies all connections would stop these pulls.
pub(super) fn policy(target: &Target, peers: &[Peer]) -> Manifest {
    let mut rule = json!({ "ports": [{ "port": PORT_NAME, "protocol": "TCP" }] });
    if !peers.is_empty() {
        rule["from"] = peers.iter().map(peer).collect();
    }
    let spec = json!({
        "podSelector": { "matchLabels": map(&target.labels()) },
        "policyTypes": ["Ingress"],
        "ingress": [rule],
    });
    manifest(target, target.object(Kind::NetworkPolicy), json!({ "spec": spec }))
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Pods(label) => json!({
            "namespaceSelector": {},
            "podSelector": { "matchLabels": map(&[(label.key(), label.value())]) },
        }),
        Peer::Addresses { address, bits } => json!({ "ipBlock": { "cidr": format!("{address}/{bits}") } }),
    }
}
