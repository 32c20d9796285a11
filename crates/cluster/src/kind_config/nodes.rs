//! Additions to a cluster's nodes: a mount of the registry's folder, and a port published on this machine.

use hythe_yaml::Node;

use super::edit::{Edit, Unsafe, Value};
use super::{DATA_PATH, KindConfigError, KindOptions};

const MOUNTS: &str = "extraMounts";
const PORTS: &str = "extraPortMappings";

/// Adds the mount to every node, because a Pod may run on any of them, and the port mapping to one node, because a port
/// of the host can be mapped only once.
pub(super) fn add(
    cluster: &Node,
    options: &KindOptions,
    edit: &mut Edit<'_>,
    refused: impl Fn(Unsafe) -> KindConfigError,
) -> Result<(), KindConfigError> {
    let nodes = all(cluster, "nodes");
    if let Some(folder) = &options.data {
        for node in nodes {
            if !has_mount(node, folder)? {
                edit.extend(node, MOUNTS, vec![mount(folder)]).map_err(&refused)?;
            }
        }
    }
    if let Some(port) = options.node_port
        && !has_port(cluster, port)?
        && let Some(node) = nodes.iter().find(|node| node.child("role").and_then(Node::raw) != Some("worker"))
    {
        edit.extend(node, PORTS, vec![port_mapping(port)]).map_err(&refused)?;
    }
    match first(options).filter(|_| nodes.is_empty()) {
        Some(node) => edit.extend(cluster, "nodes", vec![node]).map_err(refused),
        None => Ok(()),
    }
}

fn has_mount(node: &Node, folder: &str) -> Result<bool, KindConfigError> {
    let is_there = |mount: &&Node| mount.child("containerPath").and_then(Node::raw) == Some(DATA_PATH);
    let Some(mount) = all(node, MOUNTS).iter().find(is_there) else { return Ok(false) };
    let host_path = mount.child("hostPath").and_then(Node::raw).unwrap_or_default();
    if host_path == folder {
        return Ok(true);
    }
    Err(KindConfigError::Mounted { line: mount.start.line, host_path: host_path.to_owned() })
}

/// Whether a node maps this node port already. Fails if the configuration uses the host's port for something else.
fn has_port(cluster: &Node, port: u16) -> Result<bool, KindConfigError> {
    let text = port.to_string();
    let is_tcp = |mapping: &&Node| {
        mapping.child("protocol").and_then(Node::raw).is_none_or(|name| name.eq_ignore_ascii_case("tcp"))
    };
    let mappings = || all(cluster, "nodes").iter().flat_map(|node| all(node, PORTS)).filter(is_tcp);
    let has = |mapping: &Node, field| mapping.child(field).and_then(Node::raw) == Some(&text);
    if mappings().any(|mapping| has(mapping, "containerPort")) {
        return Ok(true);
    }
    // A mapping on another interface's address leaves the port free on loopback.
    let meets = |mapping: &&Node| {
        let address = mapping.child("listenAddress").and_then(Node::raw).unwrap_or_default();
        has(mapping, "hostPort") && ["", "0.0.0.0", "127.0.0.1", "::"].contains(&address)
    };
    let api = cluster.child("networking").and_then(|networking| networking.child("apiServerPort"));
    match mappings().find(meets).or(api.filter(|api| api.raw() == Some(&text))) {
        Some(taken) => Err(KindConfigError::PortTaken { line: taken.start.line, port }),
        None => Ok(false),
    }
}

/// The items of a list.
fn all<'a>(map: &'a Node, list: &str) -> &'a [Node] {
    map.child(list).map(Node::items).unwrap_or_default()
}

fn mount(folder: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    Value::Map(vec![("hostPath", text(folder)), ("containerPath", text(DATA_PATH))])
}

fn port_mapping(port: u16) -> Value {
    Value::Map(vec![
        ("containerPort", Value::Number(port)),
        ("hostPort", Value::Number(port)),
        ("listenAddress", Value::Text("127.0.0.1".to_owned())),
    ])
}

/// The node to add to a configuration without nodes; `None` if no option needs one.
pub(super) fn first(options: &KindOptions) -> Option<Value> {
    let mut node = vec![("role", Value::Text("control-plane".to_owned()))];
    node.extend(options.data.as_ref().map(|folder| (MOUNTS, Value::List(vec![mount(folder)]))));
    node.extend(options.node_port.map(|port| (PORTS, Value::List(vec![port_mapping(port)]))));
    (node.len() > 1).then_some(Value::Map(node))
}
