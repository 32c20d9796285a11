//! Recognising hythe in a container that another tool created, and reading its settings.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hythe_api::{Upstreams, parameter, path};
use hythe_engine::models::{ContainerInspectResponse, MountPoint};
use tokio::time::timeout;

use super::{Data, INNER_PORT, Logins, RegistrySettings, USER};
use crate::http;
use crate::image::DATA_FOLDER;

/// The label that hythe's image and its containers have, and its value.
const TITLE: (&str, &str) = ("org.opencontainers.image.title", "hythe");
/// The same label in the form of the engine's label filter.
pub(super) const TITLE_LABEL: &str = "org.opencontainers.image.title=hythe";
/// Time limit for a registry on this machine to answer what it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a container has hythe's image label, or runs a program named `hythe`.
pub(super) fn is_hythe(container: &ContainerInspectResponse) -> bool {
    let config = container.config.as_ref();
    let labels = config.and_then(|config| config.labels.as_ref());
    let is_titled = labels.and_then(|labels| labels.get(TITLE.0)).is_some_and(|title| title == TITLE.1);
    let entry = config.and_then(|config| config.entrypoint.as_ref()?.first());
    let program = container.path.as_ref().or(entry);
    is_titled
        || program.is_some_and(|program| Path::new(program).file_name().is_some_and(|name| name == "hythe"))
}

/// Whether hythe's own API answers at the container's published port. This recognises hythe in an image built by
/// somebody else.
pub(super) async fn answers(container: &ContainerInspectResponse) -> bool {
    let runs = container.state.as_ref().and_then(|state| state.running) == Some(true);
    let Some((address, port, _)) = published(container).into_iter().next().filter(|_| runs) else {
        return false;
    };
    speaks_hythe(SocketAddr::new(super::ready::reached(address), port)).await
}

/// Whether hythe's own API answers at an address.
pub(crate) async fn speaks_hythe(at: SocketAddr) -> bool {
    let path = format!("{}?{}=docker.io", path::UPSTREAMS, parameter::NAME);
    let asked = http::ask(at, "GET", &path, &[], b"");
    let Ok(Ok(answer)) = timeout(PATIENCE, asked).await else { return false };
    answer.status == 200 && serde_json::from_slice::<Upstreams>(&answer.body).is_ok()
}

/// Each published address and port, with the port inside the container. 5000 (of `registry:2`) and 5001 (of hythe) come
/// first.
fn published(container: &ContainerInspectResponse) -> Vec<(IpAddr, u16, u16)> {
    let bindings = container.host_config.as_ref().and_then(|host| host.port_bindings.as_ref());
    let mut found: Vec<(IpAddr, u16, u16)> = bindings
        .into_iter()
        .flatten()
        .filter_map(|(inner, bindings)| {
            let inner = inner.strip_suffix("/tcp")?.parse().ok()?;
            let binding = bindings.as_ref()?.first()?;
            let port = binding.host_port.as_deref()?.parse().ok().filter(|port| *port != 0)?;
            let address = binding.host_ip.as_deref().and_then(|text| text.parse().ok());
            Some((address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port, inner))
        })
        .collect();
    found.sort_by_key(|(_, _, inner)| (*inner != INNER_PORT, *inner != 5001, *inner));
    found
}

impl RegistrySettings {
    /// The settings of hythe in a container that another tool created, from the engine's description of the container.
    pub(super) fn seen(container: &ContainerInspectResponse) -> Self {
        let name = container.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
        let published = published(container).into_iter().next();
        let (address, port, inner) =
            published.unwrap_or((IpAddr::V4(Ipv4Addr::LOCALHOST), INNER_PORT, INNER_PORT));
        let config = container.config.clone().unwrap_or_default();
        let variables: Vec<(String, String)> = config
            .env
            .iter()
            .flatten()
            .filter_map(|text| {
                let (name, value) = text.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let root = variable("HYTHE_DATA").or_else(|| variable(super::registry2::ROOT));
        let root = root.map_or(DATA_FOLDER, String::as_str);
        let mounts = container.mounts.as_deref().unwrap_or_default();
        let data = mount(mounts, root).map_or_else(|| Data::Folder(root.into()), Self::data_of);
        let words = config.cmd.iter().flatten().map(String::as_str);
        let is_file = |word: &&str| [".toml", ".yml", ".yaml"].iter().any(|ending| word.ends_with(ending));
        let named = variable("HYTHE_CONFIG").or_else(|| variable("REGISTRY_CONFIGURATION_PATH"));
        let files = named.map(String::as_str).into_iter().chain(words.filter(is_file));
        let config_file = files.chain(["/etc/hythe/hythe.toml"]).find_map(|file| {
            let mount = mounts.iter().find(|mount| mount.destination.as_deref() == Some(file))?;
            mount.source.clone()
        });
        let is_setting = |name: &str| name.starts_with("HYTHE_") || name.starts_with("REGISTRY_");
        // Places of the data and of the configuration file inside the container: they mean nothing outside it.
        let is_place = |name: &str| {
            ["HYTHE_DATA", "HYTHE_CONFIG", "REGISTRY_CONFIGURATION_PATH", super::registry2::ROOT]
                .contains(&name)
        };
        let environment =
            variables.iter().filter(|(name, _)| is_setting(name) && !is_place(name)).cloned().collect();
        let user = super::registry2::user(config.user.as_deref().unwrap_or_default());
        Self {
            aliases: Vec::new(),
            address,
            port,
            mirror_port: None,
            data,
            config: config_file.map(Into::into),
            environment,
            user: user.unwrap_or((USER, USER)),
            logins: Logins::default(),
            inner_ports: vec![inner],
            name,
        }
    }

    fn data_of(mount: &MountPoint) -> Data {
        match (&mount.typ, &mount.name, &mount.source) {
            (Some(kind), Some(name), _) if kind == "volume" => Data::Volume(name.clone()),
            (_, _, source) => Data::Folder(source.clone().unwrap_or_default().into()),
        }
    }
}

/// The mount that holds a folder.
fn mount<'a>(mounts: &'a [MountPoint], folder: &str) -> Option<&'a MountPoint> {
    let holds = |mount: &&MountPoint| {
        mount.destination.as_deref().is_some_and(|destination| Path::new(folder).starts_with(destination))
    };
    mounts.iter().filter(holds).max_by_key(|mount| mount.destination.as_deref().map(str::len))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Owner;
    use super::*;

    fn container(value: Value) -> ContainerInspectResponse {
        serde_json::from_value(value).unwrap()
    }

    /// A service of Compose, as `docker inspect` shows it.
    fn of_compose() -> ContainerInspectResponse {
        container(json!({
            "Name": "/docker-registry", "Path": "/bin/registry",
            "Config": {
                "Image": "hythe", "Entrypoint": ["/bin/registry"], "Cmd": ["/etc/docker/registry/config.yml"],
                "Env": ["PATH=/bin", "REGISTRY_STORAGE_DELETE_ENABLED=true", "HYTHE_UPSTREAM_OFFLINE=true"],
                "Labels": {
                    "org.opencontainers.image.title": "hythe",
                    "com.docker.compose.project": "base", "com.docker.compose.service": "registry",
                    "com.docker.compose.project.config_files": "/srv/docker-compose.yml",
                },
            },
            "HostConfig": { "PortBindings": {
                "5002/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "5999" }],
                "5000/tcp": [{ "HostIp": "", "HostPort": "5000" }],
            } },
            "Mounts": [
                { "Type": "volume", "Name": "base_registry-data", "Destination": "/var/lib/registry" },
                { "Type": "bind", "Source": "/srv/config.yml", "Destination": "/etc/docker/registry/config.yml" },
            ],
        }))
    }

    #[test]
    fn a_service_of_compose_is_recognised_by_its_image_label_and_its_settings_are_read() {
        let found = of_compose();
        assert!(is_hythe(&found));
        let settings = RegistrySettings::seen(&found);
        assert_eq!(settings.name, "docker-registry");
        assert_eq!((settings.address.to_string().as_str(), settings.port), ("0.0.0.0", 5000));
        assert_eq!(settings.inner_names(), ["docker-registry:5000"]);
        assert_eq!(settings.data, Data::Volume("base_registry-data".to_owned()));
        assert_eq!(settings.config.as_deref(), Some(Path::new("/srv/config.yml")));
        let names: Vec<&String> = settings.environment.keys().collect();
        assert_eq!(names, ["HYTHE_UPSTREAM_OFFLINE", "REGISTRY_STORAGE_DELETE_ENABLED"]);
        let owner = Owner::of(&found);
        assert_eq!(owner.to_string(), "Compose manages it (project base, service registry)");
        let command = "docker compose -p base -f /srv/docker-compose.yml up -d registry";
        assert!(owner.advice().ends_with(command), "{}", owner.advice());
    }

    #[test]
    fn a_program_named_hythe_is_recognised_and_another_registry_is_not() {
        assert!(is_hythe(&container(json!({ "Path": "/usr/local/bin/hythe", "Args": ["serve"] }))));
        assert!(is_hythe(&container(json!({ "Config": { "Entrypoint": ["hythe"] } }))));
        assert!(!is_hythe(&container(
            json!({ "Path": "/entrypoint.sh", "Config": { "Image": "registry:2" } })
        )));
        let plain = container(json!({ "Name": "/r" }));
        assert_eq!(
            (Owner::of(&plain), RegistrySettings::seen(&plain).inner_port()),
            (Owner::Other, INNER_PORT)
        );
    }
}
