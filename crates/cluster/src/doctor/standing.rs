//! How the registry's container stands to a node: what a node that does not find it is told by.

use bollard::models::ContainerInspectResponse;

use crate::topology::Node;

/// How the registry's container stands to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether it runs.
    pub(super) runs: bool,
    /// Whether it is on a network of the node's.
    pub(super) is_joined: bool,
    /// Its addresses there.
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

    /// Why a node does not find it, where that was seen: it does not run, or is elsewhere.
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
    use crate::doctor::sample::cluster;

    #[test]
    fn a_registry_is_absent_where_it_does_not_run_or_is_on_another_network() {
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
