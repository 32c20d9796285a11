//! What a registry was asked to be, which outlives its container.
//!
//! The engine keeps it beside the data, as the labels of a volume that stays empty: a container that is gone has none,
//! a folder or a volume with data belongs to no name, and a file of this machine would be nothing for an engine on another.

use std::collections::{BTreeMap, HashMap};

use super::{SETTINGS_LABEL, Settings};
use crate::engine::{Engine, EngineError};

/// The label that has the variables' values, of which the settings have the names only.
const VARIABLES_LABEL: &str = "dev.hythe.variables";

/// The volume of a registry.
fn volume(name: &str) -> String {
    format!("{name}-settings")
}

/// Keeps what a registry was asked to be.
pub async fn remember(engine: &Engine, settings: &Settings) -> Result<(), EngineError> {
    let volume = volume(&settings.name);
    let labels = labels(settings);
    match engine.volume(&volume).await? {
        Some(before) if before == labels => return Ok(()),
        // Somebody else's volume of that name, which has content perhaps: nothing is kept.
        Some(before) if !before.contains_key(SETTINGS_LABEL) => {
            tracing::warn!(
                "the volume {volume} is not hythe's: what {} was asked for is not kept",
                settings.name
            );
            return Ok(());
        }
        // Labels never change. While the container is there, its own say the same.
        Some(_) => engine.remove_volume(&volume).await?,
        None => {}
    }
    engine.create_volume(&volume, labels).await
}

/// What the last registry of a name was asked to be, if that was kept.
pub async fn remembered(engine: &Engine, name: &str) -> Result<Option<Settings>, EngineError> {
    let labels = engine.volume(&volume(name)).await?;
    Ok(labels.and_then(|labels| read(&labels)).filter(|settings| settings.name == name))
}

/// Forgets it.
pub(super) async fn forget(engine: &Engine, name: &str) -> Result<(), EngineError> {
    match engine.volume(&volume(name)).await? {
        Some(labels) if labels.contains_key(SETTINGS_LABEL) => engine.remove_volume(&volume(name)).await,
        Some(_) | None => Ok(()),
    }
}

fn labels(settings: &Settings) -> HashMap<String, String> {
    // Texts, numbers, lists and maps of them are always JSON.
    let text = |value: serde_json::Result<String>| value.unwrap_or_default();
    HashMap::from([
        (SETTINGS_LABEL.to_owned(), text(serde_json::to_string(settings))),
        (VARIABLES_LABEL.to_owned(), text(serde_json::to_string(&settings.environment))),
    ])
}

fn read(labels: &HashMap<String, String>) -> Option<Settings> {
    let mut settings: Settings = serde_json::from_str(labels.get(SETTINGS_LABEL)?).ok()?;
    let variables: BTreeMap<String, String> = serde_json::from_str(labels.get(VARIABLES_LABEL)?).ok()?;
    settings.environment = variables;
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::sample;

    #[test]
    fn all_that_was_asked_for_is_read_again() {
        let mut settings = sample::settings(7550);
        settings.data = super::super::Data::Folder("/srv/data".into());
        settings.mirror_port = Some(5002);
        settings.config = Some("/etc/hythe.toml".into());
        settings.environment.insert("HYTHE_UPSTREAM_OFFLINE".to_owned(), "true".to_owned());
        assert_eq!(read(&labels(&settings)), Some(settings));
        assert_eq!(read(&HashMap::new()), None);
    }
}
