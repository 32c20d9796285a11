//! The registry as a container of the engine, outside the clusters.

mod adopt;
mod body;
mod error;
mod forget;
mod logins;
mod memory;
mod networks;
mod one_shot;
mod owner;
mod ready;
mod recorded;
mod replace;
mod seen;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use bollard::models::ContainerInspectResponse;
use hythe_oci::ImageNameParts;

use crate::engine::{Engine, EngineError};
use crate::image::{Image, REPOSITORY};
use crate::step::{Outcome, Report, Step};

pub use adopt::{adopt, heir, predecessor};
pub use error::RegistryError;
pub use forget::{Kept, forget};
pub use logins::{Logins, at_each_start, hand_logins};
pub use memory::{remember, remembered};
pub use networks::{Joined, address_on};
pub use owner::Owner;
pub use ready::import_line;
pub use replace::{discard, is_cut, recover};
pub(crate) use seen::speaks_hythe;

/// The port of the registry inside its networks. `registry:2` uses the same one, so people expect `NAME:5000`.
pub const INNER_PORT: u16 = 5000;
/// The ports on which the registry listens inside its networks.
pub const INNER_PORTS: [u16; 2] = [INNER_PORT, 5001];
/// The label that marks hythe's own containers.
pub const ROLE_LABEL: &str = "dev.hythe.role";
/// The value of [`ROLE_LABEL`] on a registry's container.
pub const ROLE: &str = "registry";
/// The registry's default name, the same as in the script of kind's documentation.
pub const DEFAULT_NAME: &str = "kind-registry";
/// The registry's default port on this machine. Not 5000, which macOS uses itself.
pub const DEFAULT_PORT: u16 = 5001;
/// The user id and group id of hythe in a container.
pub const USER: u32 = 1000;
/// The label that records the settings a container was created with. The engine's own description of a container has
/// other forms, which do not compare with settings.
const SETTINGS_LABEL: &str = "dev.hythe.settings";

/// Where the registry keeps its data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// In a volume of the engine.
    Volume(String),
    /// In a folder of the engine's machine, absolute.
    Folder(PathBuf),
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "the volume {name}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How the registry runs. A label of its container records these settings for later commands (attach, upgrade).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RegistrySettings {
    /// The name of the container, and of the registry in clusters' networks.
    pub name: String,
    /// Further names of the registry in clusters' networks.
    pub aliases: Vec<String>,
    /// The address of the engine's machine on which the registry is published.
    pub address: IpAddr,
    /// The published port at that address.
    pub port: u16,
    /// A further published port that serves Docker Hub alone, for dockerd: dockerd does not tell a mirror which
    /// registry it asks for.
    #[serde(default)]
    pub mirror_port: Option<u16>,
    /// Where the registry keeps its data.
    pub data: Data,
    /// The absolute path of a configuration file on the engine's machine.
    pub config: Option<PathBuf>,
    /// Settings of `hythe serve`, as environment variables. Values may be secrets: the label records only the names,
    /// and the container's environment keeps the values.
    #[serde(serialize_with = "recorded::write_names", deserialize_with = "recorded::read_names")]
    pub environment: BTreeMap<String, String>,
    /// The user id and group id of the process.
    pub user: (u32, u32),
    /// Whether the registry gets the logins of the user who started it.
    #[serde(default)]
    pub logins: Logins,
    /// The ports on which the registry listens in clusters' networks, the usual one first.
    #[serde(default = "inner_ports")]
    pub inner_ports: Vec<u16>,
}

fn inner_ports() -> Vec<u16> {
    INNER_PORTS.to_vec()
}

impl RegistrySettings {
    /// The default settings of a registry of this name.
    pub fn new(name: String) -> Self {
        Self {
            aliases: Vec::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: DEFAULT_PORT,
            mirror_port: None,
            data: Data::Volume(format!("{name}-data")),
            config: None,
            environment: BTreeMap::new(),
            user: (USER, USER),
            logins: Logins::default(),
            inner_ports: inner_ports(),
            name,
        }
    }

    /// Each `host:port` under which clusters' networks know the registry.
    pub fn inner_names(&self) -> Vec<String> {
        let names = [&self.name].into_iter().chain(&self.aliases);
        names.flat_map(|name| self.inner_ports.iter().map(move |port| format!("{name}:{port}"))).collect()
    }

    /// The port to which clusters send their requests.
    pub fn inner_port(&self) -> u16 {
        self.inner_ports.first().copied().unwrap_or(INNER_PORT)
    }
}

/// The container found under the registry's name.
#[derive(Debug)]
pub enum Found {
    /// No container.
    Absent,
    /// A registry that `hythe up` created.
    Ours(Box<ContainerInspectResponse>),
    /// hythe, in a container that another tool created: Compose, or `docker run`.
    Theirs(Box<ContainerInspectResponse>),
    /// A container that runs other software.
    Foreign(Box<ContainerInspectResponse>),
}

impl Found {
    /// The container, whatever it runs.
    pub fn container(&self) -> Option<&ContainerInspectResponse> {
        match self {
            Self::Absent => None,
            Self::Ours(container) | Self::Theirs(container) | Self::Foreign(container) => Some(container),
        }
    }

    /// The settings of the registry, if the container runs hythe and its settings are readable.
    pub fn settings(&self) -> Option<RegistrySettings> {
        match self {
            Self::Absent | Self::Foreign(_) => None,
            Self::Ours(container) => RegistrySettings::recorded(container),
            Self::Theirs(container) => Some(RegistrySettings::seen(container)),
        }
    }

    /// Who manages the container, if `hythe up` did not create it.
    pub fn owner(&self) -> Option<Owner> {
        match self {
            Self::Theirs(container) | Self::Foreign(container) => Some(Owner::of(container)),
            Self::Absent | Self::Ours(_) => None,
        }
    }
}

/// Looks up the container of this name.
pub async fn find(engine: &Engine, name: &str) -> Result<Found, EngineError> {
    let Some(container) = engine.container(name).await? else { return Ok(Found::Absent) };
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_ours = labels.and_then(|labels| labels.get(ROLE_LABEL)).is_some_and(|role| role == ROLE);
    let container = Box::new(container);
    if is_ours {
        return Ok(Found::Ours(container));
    }
    let is_hythe = seen::is_hythe(&container) || seen::answers(&container).await;
    Ok(if is_hythe { Found::Theirs(container) } else { Found::Foreign(container) })
}

/// Loads hythe's image into the engine, unless the engine has the image already.
pub async fn load(engine: &Engine, image: &Image, report: Report<'_>) -> Result<(), RegistryError> {
    if engine.architecture() != image.architecture {
        return Err(RegistryError::Architecture {
            engine: engine.architecture().to_owned(),
            binary: image.architecture.clone(),
        });
    }
    let subject = format!("image {}", image.reference);
    if engine.image(&image.reference).await?.is_some() {
        report(Step::new(subject, Outcome::Unchanged, "already loaded"));
        return Ok(());
    }
    engine.load(&image.reference, image.archive.clone()).await?;
    let mib = image.archive.len() >> 20;
    report(Step::new(subject, Outcome::Changed, format!("loaded from this binary ({mib} MiB)")));
    Ok(())
}

/// The container of a registry that `hythe up` created. A container of this name that another tool created is an error.
pub async fn own(
    engine: &Engine,
    name: &str,
) -> Result<Option<Box<ContainerInspectResponse>>, RegistryError> {
    let found = find(engine, name).await?;
    let owner = found.owner();
    let name = name.to_owned();
    match (found, owner) {
        (Found::Ours(container), _) => Ok(Some(container)),
        (Found::Theirs(_), Some(owner)) => Err(RegistryError::Theirs { name, owner }),
        (Found::Foreign(container), Some(owner)) => {
            let image = container.config.and_then(|config| config.image).unwrap_or_default();
            Err(RegistryError::Foreign { name, image, owner })
        }
        (Found::Absent | Found::Theirs(_) | Found::Foreign(_), _) => Ok(None),
    }
}

/// Creates, starts or replaces the registry's container as the settings ask, and waits until the registry is ready. On
/// failure, the previous container is restored.
pub async fn run(
    engine: &Engine,
    settings: &RegistrySettings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let subject = format!("registry {name}");
    recover(engine, name, report).await?;
    let Some(before) = own(engine, name).await? else {
        create(engine, settings, image, report).await?;
        return remember(engine, settings).await.map_err(RegistryError::from);
    };
    RegistrySettings::known(&before)?;
    let differences = body::differences(settings, &image.reference, &before);
    if differences.is_empty() {
        if before.state.as_ref().and_then(|state| state.running) == Some(true) {
            ready::wait(engine, settings, report).await?;
            ready::published(engine, settings, report).await;
            report(Step::new(subject, Outcome::Unchanged, "already running with these settings"));
            return remember(engine, settings).await.map_err(RegistryError::from);
        }
        match begin(engine, settings, report).await {
            Ok(()) => {
                replace::come_back(engine, name).await;
                report(Step::new(subject, Outcome::Changed, "started"));
                return remember(engine, settings).await.map_err(RegistryError::from);
            }
            // One of the container's networks was deleted with its cluster. The engine cannot start the container
            // without it; only a new container is free of that network.
            Err(RegistryError::Engine(error)) if error.said().contains("network") => {}
            Err(error) => return Err(error),
        }
    }
    replace::replace(engine, settings, &before, image, report).await?;
    let why = if differences.is_empty() {
        "one of its networks no longer exists".to_owned()
    } else {
        differences.join(", ")
    };
    report(Step::new(subject, Outcome::Changed, format!("recreated, data kept: {why}")));
    Ok(remember(engine, settings).await?)
}

/// Creates the container where none exists. If the registry does not become ready, removes the container again, and the
/// volume if it is new.
async fn create(
    engine: &Engine,
    settings: &RegistrySettings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let new_volume = match &settings.data {
        Data::Volume(volume) if engine.volume(volume).await?.is_none() => Some(volume),
        Data::Volume(_) | Data::Folder(_) => None,
    };
    let begun = async {
        make(engine, settings, image).await?;
        begin(engine, settings, report).await
    };
    if let Err(error) = begun.await {
        engine.remove(&settings.name).await?;
        if let Some(volume) = new_volume {
            engine.remove_volume(volume).await?;
        }
        return Err(error);
    }
    report(Step::new(format!("registry {}", settings.name), Outcome::Changed, created(settings)));
    Ok(())
}

fn created(settings: &RegistrySettings) -> String {
    format!("created on {}:{}, data in {}", settings.address, settings.port, settings.data)
}

async fn make(engine: &Engine, settings: &RegistrySettings, image: &Image) -> Result<(), RegistryError> {
    let engine_kind = body::Kind::of(engine).await?;
    let request = body::request(settings, engine_kind, &image.reference);
    Ok(engine.create(&settings.name, request).await?)
}

async fn begin(
    engine: &Engine,
    settings: &RegistrySettings,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    if let Err(error) = engine.start(&settings.name).await {
        let said = error.said();
        if ["already allocated", "address already in use", "port is already"]
            .iter()
            .any(|text| said.contains(text))
        {
            return Err(port_taken(engine, settings, &said).await?);
        }
        return Err(error.into());
    }
    ready::wait(engine, settings, report).await?;
    ready::published(engine, settings, report).await;
    Ok(())
}

/// The error for a port that the engine could not publish: which port, and which container holds it.
async fn port_taken(
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
async fn holder(engine: &Engine, settings: &RegistrySettings) -> Result<Option<String>, EngineError> {
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

/// The names of this engine's containers that run hythe as a registry, no matter which tool created them.
pub async fn list(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let role = format!("{ROLE_LABEL}={ROLE}");
    let containers = engine.containers(&[&role, seen::TITLE_LABEL]).await?;
    let names = containers.into_iter().filter_map(|container| container.names?.into_iter().next());
    let mut names: Vec<String> = names.map(|name| name.trim_start_matches('/').to_owned()).collect();
    // A container that a replacement set aside is not a second registry.
    names.retain(|name| !replace::is_aside(name));
    names.sort();
    names.dedup();
    Ok(names)
}

/// Whether an image is in hythe's own repository.
fn is_own_image(reference: &str) -> bool {
    let parts = ImageNameParts::of(reference);
    parts.name == REPOSITORY && parts.tag.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(by: Option<&str>, is_foreign: bool, is_mirror: bool) -> String {
        let by = by.map(str::to_owned);
        let address = IpAddr::from([127, 0, 0, 1]);
        RegistryError::PortTaken { address, port: 5001, by, is_foreign, is_mirror }.to_string()
    }

    #[test]
    fn a_port_that_is_taken_is_named_with_the_flag_that_changes_it() {
        let error = taken(Some("old"), true, false);
        assert!(error.contains("by the container old") && error.ends_with("`hythe up --adopt`"), "{error}");
        let error = taken(Some("kind-registry"), false, false);
        assert!(error.ends_with("`hythe up --port 5002`"), "{error}");
        assert!(taken(None, false, true).ends_with("`hythe up --mirror-port 5002`"));
    }

    #[test]
    fn hythes_own_image_is_recognised_by_its_repository() {
        assert!(is_own_image("localhost/hythe:1.0.0-0123456789ab"));
        assert!(!is_own_image("localhost/hythe-other:1") && !is_own_image("hythe"));
    }
}
