//! A cluster as kind creates it: nodes with kind's labels and names, on kind's network.

use std::sync::Arc;

use crate::engine::Engine;
use crate::network;
use crate::node::Node;
use crate::node_image;
use crate::node_spec::{NodeSpec, Role};

/// The nodes of a cluster. Dropping the value removes the nodes.
pub struct Cluster {
    engine: Arc<Engine>,
    name: String,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts these nodes, and waits until each node's containerd answers.
    pub fn start(engine: &Arc<Engine>, name: &str, nodes: &[NodeSpec]) -> Self {
        node_image::load(engine);
        network::kind(engine);
        let mut cluster = Self { engine: Arc::clone(engine), name: name.to_owned(), nodes: Vec::new() };
        for node in nodes {
            cluster.add(*node);
        }
        cluster
    }

    /// The cluster's name in kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine that runs the cluster.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The nodes, in the order in which they were added.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes with this role.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.spec().role == role)
    }

    /// Starts another node.
    pub fn add(&mut self, spec: NodeSpec) -> &Node {
        // kind's names: NAME-ROLE, NAME-ROLE2, NAME-ROLE3. A removed node may leave a gap.
        let base = format!("{}-{}", self.name, spec.role.as_str());
        let mut names = std::iter::once(base.clone()).chain((2..).map(|number| format!("{base}{number}")));
        let free = names.find(|name| self.nodes.iter().all(|node| node.name() != name));
        let node = Node::start_new(&self.engine, &self.name, &free.expect("numbers do not end"), spec);
        self.nodes.push(node);
        &self.nodes[self.nodes.len() - 1]
    }

    /// Removes the node with this name.
    pub fn remove(&mut self, name: &str) {
        let place = self.nodes.iter().position(|node| node.name() == name);
        self.nodes.remove(place.unwrap_or_else(|| panic!("{} has no node {name}", self.name)));
    }
}
