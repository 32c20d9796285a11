//! The registry as a container of the engine, beside the clusters.

mod adopt;
mod body;
mod networks;
mod ready;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use bollard::models::ContainerInspectResponse;

use crate::engine::{Engine, EngineError};
use crate::image::{Image, REPOSITORY};
use crate::step::{Outcome, Report, Step};

pub use adopt::{adopt, heir, predecessor};
pub use networks::{Joined, address_on};

/// The port of the registry inside of its networks: that of `registry:2`, so that `NAME:5000` is what people expect.
pub const INNER_PORT: u16 = 5000;
/// The label by which hythe knows its own containers.
pub const ROLE_LABEL: &str = "dev.hythe.role";
/// Its value on a registry.
pub const ROLE: &str = "registry";
/// The label that says what a container was asked to be: what the engine tells later has other forms.
const SETTINGS_LABEL: &str = "dev.hythe.settings";

/// Where the registry's data is.
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

/// How the registry is to run. A label of its container says it, for whoever attaches or upgrades it later.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// The container's name, and the registry's in clusters' networks.
    pub name: String,
    /// Further names there.
    pub aliases: Vec<String>,
    /// The address of the engine's machine that it is published on.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
    /// A further port there that answers for Docker Hub alone: dockerd cannot say for whom it asks.
    #[serde(default)]
    pub mirror_port: Option<u16>,
    /// Where its data is.
    pub data: Data,
    /// A configuration file of the engine's machine, absolute.
    pub config: Option<PathBuf>,
    /// Settings of `hythe serve`, as variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The user and group of the process.
    pub user: (u32, u32),
}

impl Settings {
    /// Those that a container of hythe's was made with.
    pub fn recorded(container: &ContainerInspectResponse) -> Option<Self> {
        let labels = container.config.as_ref()?.labels.as_ref()?;
        serde_json::from_str(labels.get(SETTINGS_LABEL)?).ok()
    }

    /// Each `host:port` that the registry has in clusters' networks.
    pub fn inner_names(&self) -> Vec<String> {
        let names = [&self.name].into_iter().chain(&self.aliases);
        names.flat_map(|name| [INNER_PORT, 5001].map(|port| format!("{name}:{port}"))).collect()
    }
}

/// Why the registry does not run.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A container of the name is not hythe's.
    #[error(
        "a container {name} is there already, made from {image}. To let hythe take its place, with its data: \
         hythe up --adopt. To leave it alone: hythe up --name OTHER --port OTHER"
    )]
    Foreign {
        /// Its name.
        name: String,
        /// The image that it was made from.
        image: String,
    },
    /// Something else has the port.
    #[error(
        "port {port} of {address} is taken{}. Stop what listens there, or choose another port: hythe up --port {}{}",
        .by.as_ref().map_or_else(String::new, |by| format!(" by the container {by}")),
        .port.saturating_add(1),
        if by.is_some() { ". Is it a registry:2, hythe takes its place with its data: hythe up --adopt" } else { "" }
    )]
    PortTaken {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The container that has it, if it is one.
        by: Option<String>,
    },
    /// A container's place cannot be taken.
    #[error("hythe cannot take the place of the container {name}: {reason}")]
    NoHeir {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// It started and did not get ready.
    #[error(
        "the registry did not get ready: {reason}. {}",
        if .log.is_empty() { "It said nothing".to_owned() } else { format!("Its last words:\n{log}") }
    )]
    NotReady {
        /// What was seen.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// It failed, and what was there before was put back, if it could be.
    #[error(
        "{error}\n{}",
        .failure.as_ref().map_or_else(
            || "The one before is back, with its data".to_owned(),
            |failure| format!("The one before could not be put back: {failure}")
        )
    )]
    PutBack {
        /// Why it failed.
        error: Box<RegistryError>,
        /// Why what was there before is not back.
        failure: Option<EngineError>,
    },
    /// The engine runs another architecture than the binary's.
    #[error(
        "the engine runs {engine} and this binary is for {binary}: name hythe's Linux binary for {engine} with \
         --binary FILE"
    )]
    Architecture {
        /// The engine's.
        engine: String,
        /// The binary's.
        binary: String,
    },
}

/// What was found under the registry's name.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// hythe's registry.
    Ours(Box<ContainerInspectResponse>),
    /// Another one's container.
    Foreign(Box<ContainerInspectResponse>),
}

/// What is there under a name.
pub async fn find(engine: &Engine, name: &str) -> Result<Found, EngineError> {
    let Some(container) = engine.container(name).await? else { return Ok(Found::Absent) };
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_ours = labels.and_then(|labels| labels.get(ROLE_LABEL)).is_some_and(|role| role == ROLE);
    let container = Box::new(container);
    Ok(if is_ours { Found::Ours(container) } else { Found::Foreign(container) })
}

/// Loads hythe's image into the engine, unless it is there.
pub async fn load(engine: &Engine, image: &Image, report: Report<'_>) -> Result<(), RegistryError> {
    if engine.architecture() != image.architecture {
        return Err(RegistryError::Architecture {
            engine: engine.architecture().to_owned(),
            binary: image.architecture.clone(),
        });
    }
    let subject = format!("image {}", image.reference);
    if engine.image(&image.reference).await?.is_some() {
        report(Step::new(subject, Outcome::Unchanged, "it is there"));
        return Ok(());
    }
    engine.load(&image.reference, image.archive.clone()).await?;
    let mib = image.archive.len() >> 20;
    report(Step::new(subject, Outcome::Changed, format!("loaded from this binary ({mib} MiB)")));
    Ok(())
}

/// Brings the registry's container to what the settings say, and waits until it is ready. What ran before is put back
/// where that fails.
pub async fn run(
    engine: &Engine,
    settings: &Settings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let subject = format!("registry {name}");
    let before = match find(engine, name).await? {
        Found::Foreign(container) => {
            let image = container.config.and_then(|config| config.image).unwrap_or_default();
            return Err(RegistryError::Foreign { name: name.clone(), image });
        }
        Found::Absent => None,
        Found::Ours(container) => Some(container),
    };
    let Some(before) = before else {
        make(engine, settings, image).await?;
        if let Err(error) = begin(engine, settings, report).await {
            // It holds no data of its own, and would be in the way of the next try.
            engine.remove(name).await?;
            return Err(error);
        }
        report(Step::new(subject, Outcome::Changed, created(settings)));
        return Ok(());
    };
    let differences = body::differences(settings, &image.reference, &before);
    if differences.is_empty() {
        if before.state.as_ref().and_then(|state| state.running) == Some(true) {
            ready::wait(engine, settings, report).await?;
            report(Step::new(subject, Outcome::Unchanged, "it runs as it should"));
            return Ok(());
        }
        match begin(engine, settings, report).await {
            Ok(()) => {
                report(Step::new(subject, Outcome::Changed, "started"));
                return Ok(());
            }
            // A network that it was on is gone, with its cluster: only a new container forgets that.
            Err(RegistryError::Engine(error)) if error.said().contains("network") => {}
            Err(error) => return Err(error),
        }
    }
    replace(engine, settings, image, report).await?;
    let why =
        if differences.is_empty() { "a network of its is gone".to_owned() } else { differences.join(", ") };
    report(Step::new(subject, Outcome::Changed, format!("made anew, its data as it was: {why}")));
    Ok(())
}

fn created(settings: &Settings) -> String {
    format!("created on {}:{}, its data in {}", settings.address, settings.port, settings.data)
}

/// Puts a new container in the place of one that runs or ran.
async fn replace(
    engine: &Engine,
    settings: &Settings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let aside = format!("{name}-replaced");
    // Left by a replacement that was cut: the container under the name is the one that counts.
    engine.remove(&aside).await?;
    let networks = networks::of(engine, name).await?;
    engine.stop(name).await?;
    engine.rename(name, &aside).await?;
    let made = async {
        make(engine, settings, image).await?;
        begin(engine, settings, report).await?;
        // Which clusters it is for is told by where the one before was.
        let silent = |_| {};
        for network in networks {
            settings.join(engine, &network, &silent).await?;
        }
        Ok::<(), RegistryError>(())
    };
    match made.await {
        Ok(()) => Ok(engine.remove(&aside).await?),
        Err(error) => {
            let restored = async {
                engine.remove(name).await?;
                engine.rename(&aside, name).await?;
                engine.start(name).await
            };
            Err(error.put_back(restored.await))
        }
    }
}

async fn make(engine: &Engine, settings: &Settings, image: &Image) -> Result<(), RegistryError> {
    let request = body::request(settings, engine, &image.reference);
    Ok(engine.create(&settings.name, request).await?)
}

async fn begin(engine: &Engine, settings: &Settings, report: Report<'_>) -> Result<(), RegistryError> {
    if let Err(error) = engine.start(&settings.name).await {
        let said = error.said();
        if ["already allocated", "address already in use", "port is already"]
            .iter()
            .any(|text| said.contains(text))
        {
            let by = holder(engine, settings).await?;
            return Err(RegistryError::PortTaken { address: settings.address, port: settings.port, by });
        }
        return Err(error.into());
    }
    ready::wait(engine, settings, report).await
}

/// The container that has the wanted port.
async fn holder(engine: &Engine, settings: &Settings) -> Result<Option<String>, EngineError> {
    let containers = engine.all_containers().await?;
    let holder = containers.into_iter().find(|container| {
        let ports = container.ports.as_deref().unwrap_or_default();
        let names = container.names.as_deref().unwrap_or_default();
        names.iter().all(|name| name.trim_start_matches('/') != settings.name)
            && ports.iter().any(|port| port.public_port == Some(settings.port))
    });
    let name = holder.and_then(|container| container.names?.into_iter().next());
    Ok(name.map(|name| name.trim_start_matches('/').to_owned()))
}

/// The registries that hythe runs in this engine, by name.
pub async fn list(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let containers = engine.containers(&[&format!("{ROLE_LABEL}={ROLE}")]).await?;
    let names = containers.into_iter().filter_map(|container| container.names?.into_iter().next());
    let mut names: Vec<String> = names.map(|name| name.trim_start_matches('/').to_owned()).collect();
    names.sort();
    Ok(names)
}

/// Whether an image is one of hythe's own.
pub fn is_own_image(reference: &str) -> bool {
    reference.rsplit_once(':').is_some_and(|(repository, _)| repository == REPOSITORY)
}

impl RegistryError {
    fn put_back(self, restored: Result<(), EngineError>) -> Self {
        Self::PutBack { error: Box::new(self), failure: restored.err() }
    }
}
