//! The container that publishes a port.

use super::{Found, RegistryError, RegistrySettings, find};
use hythe_engine::{Engine, EngineError};

/// The error for a port that the engine could not publish: which port, and which container holds it.
pub(super) async fn port_taken(
    engine: &Engine,
    settings: &RegistrySettings,
    said: &str,
) -> Result<RegistryError, EngineError> {
    let names = |port: u16| {
        let text = format!(":{port}");
        said.match_indices(&text)
            .any(|(at, _)| !said[at + text.len()..].starts_with(|next: char| next.is_ascii_digit()))
    };
    let mirror = settings.mirror_port.filter(|port| names(*port) && !names(settings.port));
    let port = mirror.unwrap_or(settings.port);
    let by = holder_of(engine, settings, port).await?;
    let is_foreign = match &by {
        Some(by) => matches!(find(engine, by).await?, Found::Foreign(_)),
        None => false,
    };
    let address = settings.address;
    Ok(RegistryError::PortTaken { address, port, by, is_foreign, is_mirror: mirror.is_some() })
}

/// The container that publishes the wanted port.
pub(super) async fn holder(
    engine: &Engine,
    settings: &RegistrySettings,
) -> Result<Option<String>, EngineError> {
    holder_of(engine, settings, settings.port).await
}

async fn holder_of(
    engine: &Engine,
    settings: &RegistrySettings,
    port: u16,
) -> Result<Option<String>, EngineError> {
    let containers = engine.all_containers().await?;
    let holder = containers.into_iter().find(|container| {
        let ports = container.ports.as_deref().unwrap_or_default();
        let names = container.names.as_deref().unwrap_or_default();
        names.iter().all(|name| name.trim_start_matches('/') != settings.name)
            && ports.iter().any(|published| published.public_port == Some(port))
    });
    let name = holder.and_then(|container| container.names?.into_iter().next());
    Ok(name.map(|name| name.trim_start_matches('/').to_owned()))
}
