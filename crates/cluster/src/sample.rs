//! Samples that the tests of several files share.

use crate::registry::RegistrySettings;
use crate::topology::{Cluster, Maker, Node, Role};

/// The settings of a registry that `hythe up --port PORT` makes.
pub(crate) fn settings(port: u16) -> RegistrySettings {
    RegistrySettings { port, ..RegistrySettings::new("kind-registry".to_owned()) }
}

/// A cluster with one node, on kind's network.
pub(crate) fn cluster() -> Cluster {
    let node = Node {
        id: "1".to_owned(),
        name: "dev-control-plane".to_owned(),
        role: Role::ControlPlane,
        is_running: true,
        networks: vec!["kind".to_owned()],
    };
    Cluster { name: "dev".to_owned(), maker: Maker::Kind, nodes: vec![node], is_opted_out: false }
}
