//! What the tests of several checks begin with.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::registry::{Data, Logins, Settings};
use crate::topology::{Cluster, Maker, Node, Role};

/// A registry as `hythe up --port PORT` makes it.
pub(crate) fn settings(port: u16) -> Settings {
    Settings {
        name: "kind-registry".to_owned(),
        aliases: Vec::new(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        mirror_port: None,
        data: Data::Volume("kind-registry-data".to_owned()),
        config: None,
        environment: BTreeMap::new(),
        user: (1000, 1000),
        logins: Logins::default(),
    }
}

/// A cluster of one node, on kind's network.
pub(super) fn cluster() -> Cluster {
    let node = Node {
        id: "1".to_owned(),
        name: "dev-control-plane".to_owned(),
        role: Role::ControlPlane,
        is_running: true,
        networks: vec!["kind".to_owned()],
    };
    Cluster { name: "dev".to_owned(), maker: Maker::Kind, nodes: vec![node], is_opted_out: false }
}
