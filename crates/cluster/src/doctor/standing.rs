//! Whether a node can reach the registry's container: it has to run, on a network of the node.

use hythe_engine::models::ContainerInspectResponse;

use crate::topology::Node;

/// The state of the registry's container, as it concerns a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether the container runs.
    pub(super) runs: bool,
    /// Whether the container is on a network of the node.
    pub(super) is_joined: bool,
    /// The container's addresses on the node's networks.
    pub(super) addresses: Vec<String>,
}

impl Standing {
    pub(super) fn of(registry: &ContainerInspectResponse, node: &Node) -> Self {
        let networks = registry.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let shared = networks.into_iter().flatten().filter(|(name, _)| node.networks.contains(*name));
        let mut standing = Self {
            runs: registry.state.as_ref().and_then(|state| state.running) == Some(true),
            ..Self::default()
        };
        for (_, endpoint) in shared {
            standing.is_joined = true;
            let addresses = [&endpoint.ip_address, &endpoint.global_ipv6_address];
            standing
                .addresses
                .extend(addresses.into_iter().flatten().filter(|address| !address.is_empty()).cloned());
        }
        standing
    }

    /// Why the node cannot reach the registry, if the container does not run or is on none of the node's networks.
    pub(super) fn absence(&self) -> Option<&'static str> {
        match (self.runs, self.is_joined) {
            (false, _) => Some("the registry does not run"),
            (true, false) => Some("the registry is on none of this node's networks"),
            (true, true) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample::cluster;

    #[test]
    fn a_registry_that_does_not_run_or_is_on_another_network_is_absent() {
        let standing = |runs: bool, network: &str| {
            let registry = json!({
                "State": { "Running": runs },
                "NetworkSettings": { "Networks": { network: { "IPAddress": "172.18.0.3", "GlobalIPv6Address": "" } } },
            });
            Standing::of(&serde_json::from_value(registry).unwrap(), &cluster().nodes[0])
        };
        assert_eq!(standing(false, "kind").absence(), Some("the registry does not run"));
        assert_eq!(
            standing(true, "bridge").absence(),
            Some("the registry is on none of this node's networks")
        );
        let well = standing(true, "kind");
        assert_eq!((well.absence(), well.addresses), (None, vec!["172.18.0.3".to_owned()]));
    }
}
