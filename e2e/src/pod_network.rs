//! A network for a cluster's Pods and Services: CNI's bridge in each node, routes between the nodes, and kube-proxy.

use serde_json::json;

use crate::node::Node;

/// The range of all Pods' addresses.
const PODS: &str = "10.244.0.0/16";

/// Gives each node a part of the network. Addresses are not translated, so nodes and Pods reach each other, and no
/// other hosts.
pub(crate) fn begin(nodes: &[Node]) {
    let addresses: Vec<String> = nodes.iter().map(address).collect();
    for (number, node) in nodes.iter().enumerate() {
        let network = json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [{
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "hairpinMode": true,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": part(number)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }],
        });
        // containerd uses the first configuration by name, and the node already has a placeholder.
        node.write("/etc/cni/net.d/00-pods.conflist", &network.to_string());
        for (other, address) in addresses.iter().enumerate().filter(|(other, _)| *other != number) {
            node.run(&["ip", "route", "replace", &part(other), "via", address]);
        }
    }
}

/// Forwards Services' addresses to Pods on each node that has joined.
pub(crate) fn begin_services(nodes: &[Node]) {
    for node in nodes {
        let name = format!("--hostname-override={}", node.name());
        let cluster = format!("--cluster-cidr={PODS}");
        // A node must not change the machine's limits of tracked connections.
        node.spawn(
            "kube-proxy",
            &[
                "kube-proxy",
                "--kubeconfig=/etc/kubernetes/kubelet.conf",
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
                &name,
                &cluster,
            ],
        );
    }
}

/// The range of the Pods' addresses on a node.
fn part(number: usize) -> String {
    format!("10.244.{number}.0/24")
}

/// A node's own address.
fn address(node: &Node) -> String {
    let printed = node.run(&["hostname", "-I"]);
    printed.split_whitespace().next().unwrap_or_else(|| panic!("{} has no address", node.name())).to_owned()
}
