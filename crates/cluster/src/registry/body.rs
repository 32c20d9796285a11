//! The container that is asked for, and how one that is there differs from it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, PortBinding, RestartPolicy,
    RestartPolicyNameEnum,
};

use super::{Data, INNER_PORT, ROLE, ROLE_LABEL, SETTINGS_LABEL, Settings};
use crate::engine::Engine;
use crate::image::DATA_FOLDER;

/// Inside, what answers for Docker Hub alone.
const MIRROR_PORT: u16 = 5002;
/// Where a configuration file is put.
const CONFIG: &str = "/etc/hythe/hythe.toml";

/// The container that the settings ask for.
pub(super) fn request(settings: &Settings, engine: &Engine, image: &str) -> ContainerCreateBody {
    let mut command = vec!["serve".to_owned()];
    for port in [INNER_PORT, 5001] {
        command.extend(["--listen".to_owned(), format!(":{port}")]);
    }
    command.extend(["--data", DATA_FOLDER, "--allow-anonymous-network"].map(str::to_owned));
    if settings.mirror_port.is_some() {
        command.extend(["--mirror".to_owned(), format!(":{MIRROR_PORT}=docker.io")]);
    }
    let (user, group) = settings.user;
    // Of an engine without root, the folder's owner is another user inside unless it is told so.
    let keeps_id = engine.is_podman() && matches!(settings.data, Data::Folder(_)) && user != 0;
    let labels = HashMap::from([
        (ROLE_LABEL.to_owned(), ROLE.to_owned()),
        // Texts, numbers and lists of them are always JSON.
        (SETTINGS_LABEL.to_owned(), serde_json::to_string(settings).unwrap_or_default()),
    ]);
    let published = |port: u16| {
        let binding = PortBinding { host_ip: Some(settings.address.to_string()), host_port: Some(port.to_string()) };
        Some(vec![binding])
    };
    let mut ports = HashMap::from([("5001/tcp".to_owned(), published(settings.port))]);
    if let Some(port) = settings.mirror_port {
        ports.insert(format!("{MIRROR_PORT}/tcp"), published(port));
    }
    let host = HostConfig {
        binds: Some(binds(settings)),
        // Podman's default without root is no network that others can join.
        network_mode: Some("bridge".to_owned()),
        port_bindings: Some(ports),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::ALWAYS),
            maximum_retry_count: None,
        }),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), "rw,noexec,nosuid,nodev".to_owned())])),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        userns_mode: keeps_id.then(|| format!("keep-id:uid={user},gid={group}")),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["/bin/hythe".to_owned()]),
        cmd: Some(command),
        env: Some(environment(settings)),
        user: Some(format!("{user}:{group}")),
        exposed_ports: Some([INNER_PORT, 5001, MIRROR_PORT].map(|port| format!("{port}/tcp")).to_vec()),
        labels: Some(labels),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// What is mounted: the data, and the configuration.
pub(super) fn binds(settings: &Settings) -> Vec<String> {
    let source = match &settings.data {
        Data::Volume(name) => name.clone(),
        Data::Folder(path) => path.display().to_string(),
    };
    let mut binds = vec![format!("{source}:{DATA_FOLDER}")];
    binds.extend(settings.config.iter().map(|config| format!("{}:{CONFIG}:ro", config.display())));
    binds
}

/// The variables of its environment.
pub(super) fn environment(settings: &Settings) -> Vec<String> {
    let mut variables: Vec<String> =
        settings.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    variables.extend(settings.config.iter().map(|_| format!("HYTHE_CONFIG={CONFIG}")));
    variables
}

/// What is to change in a container that hythe made, each as a clause.
pub(super) fn differences(
    wanted: &Settings,
    image: &str,
    container: &ContainerInspectResponse,
) -> Vec<String> {
    let Some(before) = Settings::recorded(container) else {
        return vec!["what it was made with is not known".to_owned()];
    };
    let mut differences = Vec::new();
    let mut compare = |name: &str, before: String, wanted: String| {
        if before != wanted {
            differences.push(format!("{name} {before} -> {wanted}"));
        }
    };
    let old_image = container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
    compare("image", old_image, image.to_owned());
    let published = |settings: &Settings| {
        let mirror = settings.mirror_port.map(|port| format!(" and {port}")).unwrap_or_default();
        format!("{}:{}{mirror}", settings.address, settings.port)
    };
    compare("published on", published(&before), published(wanted));
    compare("data in", before.data.to_string(), wanted.data.to_string());
    let config = |settings: &Settings| match &settings.config {
        Some(path) => path.display().to_string(),
        None => "none".to_owned(),
    };
    compare("configuration", config(&before), config(wanted));
    compare("user", format!("{:?}", before.user), format!("{:?}", wanted.user));
    // Names on networks are changed there, without a new container; its label tells the next command.
    if before.aliases != wanted.aliases {
        compare("aliases", before.aliases.join(" "), wanted.aliases.join(" "));
    }
    let mut changed: Vec<&str> = Vec::new();
    for name in before.environment.keys().chain(wanted.environment.keys()) {
        if before.environment.get(name) != wanted.environment.get(name) && !changed.contains(&name.as_str()) {
            changed.push(name);
        }
    }
    if !changed.is_empty() {
        // Their values may be secrets.
        differences.push(format!("settings {}", changed.join(" ")));
    }
    differences
}
