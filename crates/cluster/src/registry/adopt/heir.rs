//! The settings with which hythe replaces another registry's container.

use std::path::Path;

use hythe_engine::models::{ContainerInspectResponse, MountPoint};

use super::super::registry2::{ROOT, user};
use super::super::{Data, RegistryError, RegistrySettings};
use super::{ASIDE, gone};
use crate::image::DATA_FOLDER;
use hythe_engine::Engine;

/// The variable of `registry:2` that names its listening address.
const ADDRESS: &str = "REGISTRY_HTTP_ADDR";
/// The variables that are not taken over, because hythe's own container decides these settings.
const OWN: &[&str] = &[ROOT, ADDRESS, "REGISTRY_CONFIGURATION_PATH"];
/// The port on which `registry:2` listens by default.
const PORT: &str = "5000";
/// The paths of the configuration file in images of `registry:2` and of distribution 3.
const CONFIGURATIONS: &[&str] = &["/etc/docker/registry/config.yml", "/etc/distribution/config.yml"];

/// The settings with which hythe replaces a container: the container's data, its `REGISTRY_*` variables, its port if
/// `keeps_port`, and its name as an alias.
pub async fn heir(
    engine: &Engine,
    predecessor: &str,
    settings: &RegistrySettings,
    keeps_port: bool,
) -> Result<RegistrySettings, RegistryError> {
    let container = engine.container(predecessor).await?.ok_or_else(|| gone(predecessor))?;
    if let Some(file) = configuration(&container) {
        let reason = format!(
            "its settings are in {file}. Instead, use hythe's image (made by `hythe image`) in the Compose file or \
             `docker run` command that started it: hythe reads that file as it is"
        );
        return Err(RegistryError::NoHeir { name: predecessor.to_owned(), reason });
    }
    let mut heir = settings.clone();
    heir.data = data(predecessor, &container)?;
    heir.user = owner(&container, &heir.data).unwrap_or(heir.user);
    for (name, value) in variables(&container).filter(|(name, _)| !OWN.contains(name)) {
        heir.environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    if keeps_port {
        heir.port = port(&container).unwrap_or(heir.port);
    }
    let name = predecessor.strip_suffix(ASIDE).unwrap_or(predecessor);
    if name != heir.name && !heir.aliases.iter().any(|alias| alias == name) {
        heir.aliases.push(name.to_owned());
    }
    Ok(heir)
}

/// The variables that `registry:2` reads.
fn variables(container: &ContainerInspectResponse) -> impl Iterator<Item = (&str, &str)> {
    let all = container.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    all.iter().filter_map(|text| text.split_once('=')).filter(|(name, _)| name.starts_with("REGISTRY_"))
}

fn variable<'a>(container: &'a ContainerInspectResponse, wanted: &str) -> Option<&'a str> {
    variables(container).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// The source of a mounted configuration file, if the container has one.
fn configuration(container: &ContainerInspectResponse) -> Option<String> {
    let words = container.config.as_ref().and_then(|config| config.cmd.as_deref()).unwrap_or_default();
    let named = words
        .iter()
        .map(String::as_str)
        .filter(|word| Path::new(word).extension().is_some_and(|ending| ending == "yml" || ending == "yaml"));
    let files =
        named.chain(variable(container, "REGISTRY_CONFIGURATION_PATH")).chain(CONFIGURATIONS.iter().copied());
    let files: Vec<&Path> = files.map(Path::new).collect();
    let mounts = container.mounts.as_deref().unwrap_or_default();
    let mount = mounts.iter().find(|mount| {
        let destination = mount.destination.as_deref().unwrap_or_default();
        files.iter().any(|file| file.starts_with(destination)) && !destination.is_empty()
    })?;
    mount.source.clone()
}

/// The published port that leads to the registry.
fn port(container: &ContainerInspectResponse) -> Option<u16> {
    let inner =
        variable(container, ADDRESS).and_then(|address| Some(address.rsplit_once(':')?.1)).unwrap_or(PORT);
    let ports = container.host_config.as_ref()?.port_bindings.as_ref()?;
    let bindings = ports.get(&format!("{inner}/tcp"))?.as_ref()?;
    bindings.first()?.host_port.as_deref()?.parse().ok().filter(|port| *port != 0)
}

/// The user and group that hythe runs as, to own the data: the container's user, or the folder's owner, if that is not
/// root.
fn owner(container: &ContainerInspectResponse, data: &Data) -> Option<(u32, u32)> {
    let text = container.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
    user(text).or_else(|| folder_owner(data))
}

#[cfg(unix)]
fn folder_owner(data: &Data) -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let Data::Folder(folder) = data else { return None };
    let found = std::fs::metadata(folder).ok()?;
    Some((found.uid(), found.gid())).filter(|(user, _)| *user != 0)
}

#[cfg(not(unix))]
fn folder_owner(_data: &Data) -> Option<(u32, u32)> {
    None
}

/// Where a registry keeps its data.
fn data(predecessor: &str, container: &ContainerInspectResponse) -> Result<Data, RegistryError> {
    let refused = |reason: String| RegistryError::NoHeir { name: predecessor.to_owned(), reason };
    let root = variable(container, ROOT).unwrap_or(DATA_FOLDER);
    let mounts = container.mounts.as_deref().unwrap_or_default();
    let holding = |mount: &&MountPoint| {
        mount.destination.as_deref().is_some_and(|destination| Path::new(root).starts_with(destination))
    };
    let Some(mount) =
        mounts.iter().filter(holding).max_by_key(|mount| mount.destination.as_deref().map(str::len))
    else {
        return Err(refused(format!(
            "its data is not in a volume, but at {root} in the container itself: copy it out with docker cp \
             {predecessor}:{root} ./registry-data, remove the container, and run `hythe up --data ./registry-data`"
        )));
    };
    let below = Path::new(root)
        .strip_prefix(mount.destination.as_deref().unwrap_or_default())
        .unwrap_or(Path::new(""));
    match (mount.typ.as_deref(), &mount.name, &mount.source) {
        (Some("volume"), Some(name), _) if below.as_os_str().is_empty() => Ok(Data::Volume(name.clone())),
        (Some("bind"), _, Some(source)) if below.as_os_str().is_empty() => Ok(Data::Folder(source.into())),
        (Some("bind"), _, Some(source)) => Ok(Data::Folder(Path::new(source).join(below))),
        _ => {
            Err(refused(format!("the mount with its data at {root} is neither a whole volume nor a folder")))
        }
    }
}

#[cfg(test)]
mod tests {
    use hythe_engine::models::ContainerConfig;

    use super::*;

    fn container(variables: &[&str], mounts: &[(&str, &str, &str)]) -> ContainerInspectResponse {
        let mounts = mounts.iter().map(|(kind, source, destination)| MountPoint {
            typ: Some((*kind).to_owned()),
            name: (*kind == "volume").then(|| (*source).to_owned()),
            source: Some((*source).to_owned()),
            destination: Some((*destination).to_owned()),
            ..MountPoint::default()
        });
        ContainerInspectResponse {
            config: Some(ContainerConfig {
                env: Some(variables.iter().map(|text| (*text).to_owned()).collect()),
                ..ContainerConfig::default()
            }),
            mounts: Some(mounts.collect()),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn variables_are_taken_over_except_those_that_hythe_decides() {
        let before = container(
            &["PATH=/bin", "REGISTRY_HTTP_ADDR=:5000", "REGISTRY_STORAGE_DELETE_ENABLED=true"],
            &[("volume", "data", "/var/lib/registry")],
        );
        let taken: Vec<_> = variables(&before).filter(|(name, _)| !OWN.contains(name)).collect();
        assert_eq!(taken, [("REGISTRY_STORAGE_DELETE_ENABLED", "true")]);
    }

    #[test]
    fn a_mounted_configuration_file_is_found() {
        let before = container(&[], &[("bind", "/srv/config.yml", "/etc/docker/registry/config.yml")]);
        assert_eq!(configuration(&before).as_deref(), Some("/srv/config.yml"));
        let before = container(&[], &[("bind", "/srv/data", "/var/lib/registry")]);
        assert_eq!(configuration(&before), None);
    }

    #[test]
    fn the_user_of_a_container_is_taken_over_unless_it_is_root_or_a_name() {
        for (text, expected) in
            [("", None), ("0:0", None), ("registry", None), ("999", Some((999, 999))), ("7:8", Some((7, 8)))]
        {
            assert_eq!(user(text), expected, "{text}");
        }
    }

    #[test]
    fn the_data_is_found_where_the_registry_keeps_it() {
        let plain = container(&[], &[("volume", "data", "/var/lib/registry")]);
        assert_eq!(data("r", &plain).unwrap(), Data::Volume("data".to_owned()));
        let folder = container(&[], &[("volume", "x", "/etc"), ("bind", "/srv/data", "/var/lib")]);
        assert_eq!(data("r", &folder).unwrap(), Data::Folder("/srv/data/registry".into()));
        let told = container(
            &["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/data"],
            &[("volume", "unused", "/var/lib/registry"), ("volume", "used", "/data")],
        );
        assert_eq!(data("r", &told).unwrap(), Data::Volume("used".to_owned()));
        let none = data("r", &container(&[], &[])).unwrap_err().to_string();
        assert!(none.contains("docker cp r:/var/lib/registry ./registry-data"), "{none}");
    }
}
