//! Reading the settings that a registry's container was created with.

use std::collections::HashMap;

use hythe_engine::models::{ContainerInspectResponse, MountPoint};

use super::{RegistryError, RegistrySettings, SETTINGS_LABEL};
use crate::image::DATA_FOLDER;

impl RegistrySettings {
    /// The settings that hythe created the container with. `None` if they are unreadable, or the container was renamed
    /// since.
    pub fn recorded(container: &ContainerInspectResponse) -> Option<Self> {
        let name = container.name.as_deref().map(|name| name.trim_start_matches('/'));
        Self::labelled(container).filter(|settings| name.is_none_or(|name| name == settings.name))
    }

    /// The same settings, or an error for the user where they are not known.
    pub fn known(container: &ContainerInspectResponse) -> Result<Self, RegistryError> {
        Self::recorded(container).ok_or_else(|| unknown(container))
    }

    /// The settings in the label, even if the container was renamed.
    pub(super) fn labelled(container: &ContainerInspectResponse) -> Option<Self> {
        let config = container.config.as_ref()?;
        let mut settings: Self = serde_json::from_str(config.labels.as_ref()?.get(SETTINGS_LABEL)?).ok()?;
        let variables: HashMap<&str, &str> =
            config.env.iter().flatten().filter_map(|text| text.split_once('=')).collect();
        for (name, value) in &mut settings.environment {
            (*variables.get(name.as_str())?).clone_into(value);
        }
        Some(settings)
    }
}

fn unknown(container: &ContainerInspectResponse) -> RegistryError {
    let name = container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
    let mounts = container.mounts.as_deref().unwrap_or_default();
    let mount = mounts.iter().find(|mount| mount.destination.as_deref() == Some(DATA_FOLDER));
    let (data, from) = match mount {
        Some(MountPoint { typ: Some(kind), name: Some(volume), .. }) if kind == "volume" => {
            (format!("the volume {volume}"), format!(" --volume {volume}"))
        }
        Some(MountPoint { source: Some(folder), .. }) => (folder.clone(), format!(" --data {folder}")),
        _ => ("no volume".to_owned(), String::new()),
    };
    let port = published(container).map(|port| format!(" --port {port}")).unwrap_or_default();
    RegistryError::Unknown { name, data, again: format!("{from}{port}") }
}

fn published(container: &ContainerInspectResponse) -> Option<String> {
    let bindings = container.host_config.as_ref()?.port_bindings.as_ref()?.get("5001/tcp")?.as_ref()?;
    bindings.first()?.host_port.clone()
}

#[cfg(test)]
mod tests {
    use hythe_engine::models::{ContainerConfig, HostConfig, PortBinding};

    use super::*;
    use crate::sample;

    fn container(name: &str, label: String, variables: &[&str]) -> ContainerInspectResponse {
        ContainerInspectResponse {
            name: Some(format!("/{name}")),
            config: Some(ContainerConfig {
                labels: Some(HashMap::from([(SETTINGS_LABEL.to_owned(), label)])),
                env: Some(variables.iter().map(|text| (*text).to_owned()).collect()),
                ..ContainerConfig::default()
            }),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn values_are_read_from_the_environment_and_are_not_in_the_label() {
        let mut settings = sample::settings(5001);
        settings.environment.insert("HYTHE_AUTH_PASSWORD".to_owned(), "se=cret".to_owned());
        let label = serde_json::to_string(&settings).unwrap();
        assert!(label.contains("HYTHE_AUTH_PASSWORD") && !label.contains("cret"), "{label}");
        let found = container("kind-registry", label.clone(), &["PATH=/bin", "HYTHE_AUTH_PASSWORD=se=cret"]);
        assert_eq!(RegistrySettings::recorded(&found).unwrap(), settings);
        // A variable's value is missing, so the settings are not known completely.
        assert_eq!(RegistrySettings::recorded(&container("kind-registry", label, &[])), None);
    }

    #[test]
    fn a_label_of_an_earlier_version_is_read() {
        let mut label = serde_json::to_value(sample::settings(5001)).unwrap();
        label["environment"] = serde_json::json!({ "HYTHE_A": "b" });
        let found = container("kind-registry", label.to_string(), &["HYTHE_A=b"]);
        assert_eq!(RegistrySettings::recorded(&found).unwrap().environment["HYTHE_A"], "b");
    }

    #[test]
    fn settings_of_a_renamed_container_are_not_taken() {
        let label = serde_json::to_string(&sample::settings(5001)).unwrap();
        let found = container("copy", label, &[]);
        assert_eq!(RegistrySettings::recorded(&found), None);
        assert_eq!(RegistrySettings::labelled(&found), Some(sample::settings(5001)));
    }

    #[test]
    fn a_container_with_unknown_settings_is_refused_with_the_command_that_keeps_its_data() {
        let mut found = container("reg", "{}".to_owned(), &[]);
        found.mounts = Some(vec![MountPoint {
            typ: Some("volume".to_owned()),
            name: Some("data".to_owned()),
            destination: Some(DATA_FOLDER.to_owned()),
            ..MountPoint::default()
        }]);
        let binding = PortBinding { host_ip: None, host_port: Some("5007".to_owned()) };
        found.host_config = Some(HostConfig {
            port_bindings: Some(HashMap::from([("5001/tcp".to_owned(), Some(vec![binding]))])),
            ..HostConfig::default()
        });
        let error = RegistrySettings::known(&found).unwrap_err().to_string();
        assert!(
            error.ends_with("docker rm -f reg, then `hythe up --name reg --volume data --port 5007`"),
            "{error}"
        );
    }
}
