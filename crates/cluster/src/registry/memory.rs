//! The registry's settings, remembered when its container is gone.
//!
//! The engine keeps them beside the data, as labels of an empty volume of their own. The container's labels end with
//! the container. A folder or volume of data does not belong to one registry's name. And a file on this machine would
//! not be there for another machine that uses the same engine.

use std::collections::{BTreeMap, HashMap};

use super::{RegistrySettings, SETTINGS_LABEL};
use hythe_engine::{Engine, EngineError};

/// The label with the values of the environment variables; [`SETTINGS_LABEL`] has only their names.
const VARIABLES_LABEL: &str = "dev.hythe.variables";

/// The name of the volume that remembers a registry's settings.
fn volume(name: &str) -> String {
    format!("{name}-settings")
}

/// Remembers a registry's settings.
pub async fn remember(engine: &Engine, settings: &RegistrySettings) -> Result<(), EngineError> {
    let volume = volume(&settings.name);
    let labels = labels(settings);
    match engine.volume(&volume).await? {
        Some(before) if before == labels => return Ok(()),
        // The volume of that name is not hythe's and may have content: leave it alone.
        Some(before) if !before.contains_key(SETTINGS_LABEL) => {
            tracing::warn!(
                "the volume {volume} was not created by hythe: the settings of {} are not remembered",
                settings.name
            );
            return Ok(());
        }
        // A volume's labels cannot be changed, so the volume is replaced. Meanwhile the container's labels have the
        // settings.
        Some(_) => engine.remove_volume(&volume).await?,
        None => {}
    }
    engine.create_volume(&volume, labels).await
}

/// The settings of the last registry of this name, if they are remembered.
pub async fn remembered(engine: &Engine, name: &str) -> Result<Option<RegistrySettings>, EngineError> {
    let labels = engine.volume(&volume(name)).await?;
    Ok(labels.and_then(|labels| read(&labels)).filter(|settings| settings.name == name))
}

/// Forgets a registry's settings.
pub(super) async fn forget(engine: &Engine, name: &str) -> Result<(), EngineError> {
    match engine.volume(&volume(name)).await? {
        Some(labels) if labels.contains_key(SETTINGS_LABEL) => engine.remove_volume(&volume(name)).await,
        Some(_) | None => Ok(()),
    }
}

fn labels(settings: &RegistrySettings) -> HashMap<String, String> {
    // Strings, numbers, and lists and maps of these always serialise to JSON.
    let text = |value: serde_json::Result<String>| value.unwrap_or_default();
    HashMap::from([
        (SETTINGS_LABEL.to_owned(), text(serde_json::to_string(settings))),
        (VARIABLES_LABEL.to_owned(), text(serde_json::to_string(&settings.environment))),
    ])
}

fn read(labels: &HashMap<String, String>) -> Option<RegistrySettings> {
    let mut settings: RegistrySettings = serde_json::from_str(labels.get(SETTINGS_LABEL)?).ok()?;
    let variables: BTreeMap<String, String> = serde_json::from_str(labels.get(VARIABLES_LABEL)?).ok()?;
    settings.environment = variables;
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn all_settings_are_remembered() {
        let mut settings = sample::settings(7550);
        settings.data = super::super::Data::Folder("/srv/data".into());
        settings.mirror_port = Some(5002);
        settings.config = Some("/etc/hythe.toml".into());
        settings.environment.insert("HYTHE_UPSTREAM_OFFLINE".to_owned(), "true".to_owned());
        assert_eq!(read(&labels(&settings)), Some(settings));
        assert_eq!(read(&HashMap::new()), None);
    }
}
