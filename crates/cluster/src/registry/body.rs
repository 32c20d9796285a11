//! The request that creates the registry's container, and how an existing container differs from it.

use std::collections::HashMap;

use hythe_engine::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, Mount, MountType, PortBinding, RestartPolicy,
    RestartPolicyNameEnum, SystemInfo,
};

use super::{Data, INNER_PORT, INNER_PORTS, ROLE, ROLE_LABEL, RegistrySettings, SETTINGS_LABEL};
use crate::image::DATA_FOLDER;
use hythe_engine::{Engine, EngineError};

/// The port inside the container that serves Docker Hub alone.
const MIRROR_PORT: u16 = 5002;
/// Where the container has the configuration file.
const CONFIG: &str = "/etc/hythe/hythe.toml";

/// The properties of an engine that decide how a container is created.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    is_podman: bool,
    /// Whether root in its containers is an ordinary user of the machine (rootless).
    is_rootless: bool,
    /// Whether containers can read a folder only once it has an `SELinux` label for them.
    has_selinux: bool,
}

impl Kind {
    pub(super) async fn of(engine: &Engine) -> Result<Self, EngineError> {
        Ok(Self::said(engine.is_podman(), &engine.info().await?))
    }

    fn said(is_podman: bool, info: &SystemInfo) -> Self {
        let options = info.security_options.as_deref().unwrap_or_default();
        let has =
            |name: &str| options.iter().flat_map(|option| option.split(',')).any(|option| option == name);
        Self { is_podman, is_rootless: has("name=rootless"), has_selinux: has("name=selinux") }
    }
}

/// The container that the settings ask for.
pub(super) fn request(settings: &RegistrySettings, kind: Kind, image: &str) -> ContainerCreateBody {
    let mut command = vec!["serve".to_owned()];
    for port in INNER_PORTS {
        command.extend(["--listen".to_owned(), format!(":{port}")]);
    }
    command.extend(["--data", DATA_FOLDER, "--allow-anonymous-network"].map(str::to_owned));
    if settings.mirror_port.is_some() {
        command.extend(["--mirror".to_owned(), format!(":{MIRROR_PORT}=docker.io")]);
    }
    let (user, group) = settings.user;
    // On a rootless engine, the folder's owner has another user id inside the container, unless the ids are mapped.
    let moves = kind.is_rootless && matches!(settings.data, Data::Folder(_)) && user != 0;
    let keeps_id = moves && kind.is_podman;
    // Rootless Docker cannot map ids: the user who runs it is root inside.
    let (inner_user, inner_group) = if moves && !kind.is_podman { (0, 0) } else { (user, group) };
    let (binds, mounts) = mounted(settings, kind);
    let labels = HashMap::from([
        (ROLE_LABEL.to_owned(), ROLE.to_owned()),
        // Texts, numbers and lists of them are always JSON.
        (SETTINGS_LABEL.to_owned(), serde_json::to_string(settings).unwrap_or_default()),
    ]);
    let published = |port: u16| {
        let binding =
            PortBinding { host_ip: Some(settings.address.to_string()), host_port: Some(port.to_string()) };
        Some(vec![binding])
    };
    let mut ports = HashMap::from([("5001/tcp".to_owned(), published(settings.port))]);
    if let Some(port) = settings.mirror_port {
        ports.insert(format!("{MIRROR_PORT}/tcp"), published(port));
    }
    let host = HostConfig {
        binds,
        mounts,
        // Rootless Podman's default network cannot be joined by other containers.
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
        user: Some(format!("{inner_user}:{inner_group}")),
        exposed_ports: Some([INNER_PORT, 5001, MIRROR_PORT].map(|port| format!("{port}/tcp")).to_vec()),
        labels: Some(labels),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// What is mounted, as bind texts or as mounts. Mounts are preferred: their paths may contain a colon, and the engine
/// refuses a missing path, where for a bind text it creates an empty folder. But only bind texts can ask for an
/// `SELinux` label.
pub(super) fn mounted(settings: &RegistrySettings, kind: Kind) -> (Option<Vec<String>>, Option<Vec<Mount>>) {
    let mut mounts = match &settings.data {
        Data::Volume(name) => vec![mount(MountType::VOLUME, name, DATA_FOLDER)],
        Data::Folder(path) => vec![mount(MountType::BIND, &path.display().to_string(), DATA_FOLDER)],
    };
    mounts.extend(settings.config.iter().map(|config| Mount {
        read_only: Some(true),
        ..mount(MountType::BIND, &config.display().to_string(), CONFIG)
    }));
    if !kind.has_selinux {
        return (None, Some(mounts));
    }
    let (folders, volumes): (Vec<_>, Vec<_>) =
        mounts.into_iter().partition(|mount| mount.typ == Some(MountType::BIND));
    let text = |mount: Mount| {
        let read_only = if mount.read_only == Some(true) { "ro," } else { "" };
        let [source, target] = [mount.source, mount.target].map(Option::unwrap_or_default);
        format!("{source}:{target}:{read_only}z")
    };
    (Some(folders.into_iter().map(text).collect()), Some(volumes))
}

fn mount(kind: MountType, source: &str, target: &str) -> Mount {
    Mount {
        typ: Some(kind),
        source: Some(source.to_owned()),
        target: Some(target.to_owned()),
        ..Mount::default()
    }
}

/// The container's environment variables.
pub(super) fn environment(settings: &RegistrySettings) -> Vec<String> {
    let mut given = settings.environment.clone();
    let is_web =
        |name: &&String| name.contains('.') && !name.ends_with(".localhost") && !name.ends_with(".internal");
    let names = || [&settings.name].into_iter().chain(&settings.aliases);
    // A name such as `registry.dev` may also exist on the web. Nodes that use it send the same `Host` as a web page
    // would, so the check of `Host` must stay off.
    if settings.address.is_loopback() && names().all(|name| !is_web(&name)) {
        // Inside the container, hythe cannot see that the port is published on loopback only. This variable tells it,
        // so that it refuses web pages that reach it through a name that resolves to this machine (DNS rebinding).
        given.entry("HYTHE_HTTP_PUBLISHED_ON_LOOPBACK".to_owned()).or_insert_with(|| "true".to_owned());
    }
    let mut variables: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    variables.extend(settings.config.iter().map(|_| format!("HYTHE_CONFIG={CONFIG}")));
    variables.extend(settings.logins.environment());
    variables
}

/// The differences between a container that hythe created and the wanted settings, each as a clause.
pub(super) fn differences(
    wanted: &RegistrySettings,
    image: &str,
    container: &ContainerInspectResponse,
) -> Vec<String> {
    let Some(before) = RegistrySettings::recorded(container) else {
        return vec!["its previous settings are unknown".to_owned()];
    };
    let mut differences = Vec::new();
    let mut compare = |name: &str, before: String, wanted: String| {
        if before != wanted {
            differences.push(format!("{name} {before} -> {wanted}"));
        }
    };
    let old_image = container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
    compare("image", old_image, image.to_owned());
    let published = |settings: &RegistrySettings| {
        let mirror = settings.mirror_port.map(|port| format!(" and {port}")).unwrap_or_default();
        format!("{}:{}{mirror}", settings.address, settings.port)
    };
    compare("published on", published(&before), published(wanted));
    compare("data in", before.data.to_string(), wanted.data.to_string());
    let config = |settings: &RegistrySettings| match &settings.config {
        Some(path) => path.display().to_string(),
        None => "none".to_owned(),
    };
    compare("configuration", config(&before), config(wanted));
    compare("user", format!("{:?}", before.user), format!("{:?}", wanted.user));
    // Aliases could be changed on the networks alone, but the next command reads them from the container's label.
    compare("aliases", before.aliases.join(" "), wanted.aliases.join(" "));
    compare("logins", before.logins.describe().to_owned(), wanted.logins.describe().to_owned());
    let mut changed: Vec<&str> = Vec::new();
    for name in before.environment.keys().chain(wanted.environment.keys()) {
        if before.environment.get(name) != wanted.environment.get(name) && !changed.contains(&name.as_str()) {
            changed.push(name);
        }
    }
    if !changed.is_empty() {
        // The values may be secrets.
        differences.push(format!("settings {}", changed.join(" ")));
    }
    differences
}

#[cfg(test)]
mod tests {
    use hythe_engine::models::ContainerConfig;

    use super::*;
    use crate::sample;

    fn kind(options: &[&str]) -> Kind {
        let options = options.iter().map(|text| (*text).to_owned()).collect();
        Kind::said(false, &SystemInfo { security_options: Some(options), ..SystemInfo::default() })
    }

    #[test]
    fn a_folder_is_mounted_so_that_the_engine_refuses_a_missing_one() {
        let mut settings = sample::settings(5001);
        settings.data = Data::Folder("/srv/a:b".into());
        settings.user = (501, 20);
        let host = request(&settings, kind(&["name=seccomp,profile=builtin"]), "image").host_config.unwrap();
        assert_eq!(host.binds, None);
        let mounts = host.mounts.unwrap();
        assert_eq!((mounts[0].typ, mounts[0].source.as_deref()), (Some(MountType::BIND), Some("/srv/a:b")));
    }

    #[test]
    fn a_folder_is_labelled_where_the_engine_has_selinux() {
        let mut settings = sample::settings(5001);
        settings.config = Some("/etc/hythe.toml".into());
        let (binds, mounts) = mounted(&settings, kind(&["name=selinux"]));
        assert_eq!(binds.unwrap(), ["/etc/hythe.toml:/etc/hythe/hythe.toml:ro,z"]);
        assert_eq!(mounts.unwrap()[0].typ, Some(MountType::VOLUME));
    }

    #[test]
    fn rootless_docker_runs_as_root_inside_to_reach_a_folder() {
        let mut settings = sample::settings(5001);
        assert_eq!(request(&settings, kind(&["name=rootless"]), "image").user.as_deref(), Some("1000:1000"));
        settings.data = Data::Folder("/srv".into());
        assert_eq!(request(&settings, kind(&["name=rootless"]), "image").user.as_deref(), Some("0:0"));
        assert_eq!(request(&settings, kind(&[]), "image").user.as_deref(), Some("1000:1000"));
        let podman = Kind { is_podman: true, ..kind(&["name=rootless"]) };
        let request = request(&settings, podman, "image");
        assert_eq!(request.user.as_deref(), Some("1000:1000"));
        assert_eq!(request.host_config.unwrap().userns_mode.as_deref(), Some("keep-id:uid=1000,gid=1000"));
    }

    #[test]
    fn a_registry_published_on_loopback_is_told_so_unless_it_has_a_name_of_the_web() {
        let told = |change: &dyn Fn(&mut RegistrySettings)| {
            let mut settings = sample::settings(5001);
            change(&mut settings);
            let variables = environment(&settings);
            let found =
                variables.iter().find_map(|text| text.strip_prefix("HYTHE_HTTP_PUBLISHED_ON_LOOPBACK="));
            found.map(str::to_owned)
        };
        let named = |alias: &'static str| told(&move |settings| settings.aliases = vec![alias.to_owned()]);
        assert_eq!(told(&|_| {}).as_deref(), Some("true"));
        assert_eq!(named("k3d-registry.localhost").as_deref(), Some("true"));
        assert_eq!(named("registry.dev"), None);
        assert_eq!(told(&|settings| settings.address = "0.0.0.0".parse().unwrap()), None);
        let name = "HYTHE_HTTP_PUBLISHED_ON_LOOPBACK";
        let off = told(&|settings| drop(settings.environment.insert(name.to_owned(), "false".to_owned())));
        assert_eq!(off.as_deref(), Some("false"));
    }

    #[test]
    fn a_difference_names_the_changed_settings_without_their_values() {
        let mut before = sample::settings(5001);
        before.environment.insert("HYTHE_A".to_owned(), "secret".to_owned());
        let made = request(&before, Kind::default(), "image");
        let container = ContainerInspectResponse {
            config: Some(ContainerConfig {
                image: made.image,
                env: made.env,
                labels: made.labels,
                ..ContainerConfig::default()
            }),
            ..ContainerInspectResponse::default()
        };
        assert_eq!(differences(&before, "image", &container), Vec::<String>::new());
        let mut wanted = before.clone();
        wanted.environment.insert("HYTHE_A".to_owned(), "other".to_owned());
        assert_eq!(differences(&wanted, "image", &container), ["settings HYTHE_A"]);
    }
}
