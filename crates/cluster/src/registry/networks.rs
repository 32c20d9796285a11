//! The registry on the networks of clusters.

use std::collections::HashSet;
use std::net::IpAddr;

use super::RegistrySettings;
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError};

/// The result of joining a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The registry is on it.
    Yes,
    /// The network does not exist.
    NoNetwork,
}

impl RegistrySettings {
    /// Puts the registry on a network, under its name and aliases.
    pub async fn join(
        &self,
        engine: &Engine,
        network: &str,
        report: Report<'_>,
    ) -> Result<Joined, EngineError> {
        let Some(found) = engine.network(network).await? else { return Ok(Joined::NoNetwork) };
        let container = engine.container(&self.name).await?;
        let networks =
            container.and_then(|container| container.network_settings?.networks).unwrap_or_default();
        let subject = format!("network {network}");
        if let Some(endpoint) = networks.get(network) {
            let known: HashSet<&String> =
                endpoint.aliases.iter().flatten().chain(endpoint.dns_names.iter().flatten()).collect();
            // A network that was recreated under the same name has another id; the container is still on the old one.
            let is_same = endpoint
                .network_id
                .as_deref()
                .is_none_or(|id| id.is_empty() || Some(id) == found.id.as_deref());
            if is_same && self.aliases.iter().all(|alias| known.contains(alias)) {
                report(Step::new(subject, Outcome::Unchanged, format!("{} is connected", self.name)));
                return Ok(Joined::Yes);
            }
            engine.leave(network, &self.name).await?;
        }
        let mut aliases = vec![self.name.clone()];
        aliases.extend(self.aliases.iter().cloned());
        match engine.join(network, &self.name, &aliases).await {
            Ok(()) => {}
            // Another command joined it at the same time.
            Err(error) if error.said().contains("already exists") => {}
            Err(error) => return Err(error),
        }
        report(Step::new(subject, Outcome::Changed, format!("connected {}", self.name)));
        Ok(Joined::Yes)
    }
}

/// The address of a container on a network.
pub async fn address_on(
    engine: &Engine,
    container: &str,
    network: &str,
) -> Result<Option<IpAddr>, EngineError> {
    let container = engine.container(container).await?;
    let networks = container.and_then(|container| container.network_settings?.networks).unwrap_or_default();
    Ok(networks.get(network).and_then(|endpoint| endpoint.ip_address.as_deref()?.parse().ok()))
}

/// The networks of a container, without the engine's default network.
pub(super) async fn of(engine: &Engine, container: &str) -> Result<Vec<String>, EngineError> {
    let container = engine.container(container).await?;
    let networks = container.and_then(|container| container.network_settings?.networks).unwrap_or_default();
    Ok(networks.into_keys().filter(|network| network != "bridge" && network != "podman").collect())
}
