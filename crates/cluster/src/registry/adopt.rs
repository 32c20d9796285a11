//! Another registry's container, whose place hythe takes with its data.

use std::path::Path;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, MountPoint,
};
use tokio::time::sleep;

use super::{Data, Found, RegistryError, Settings, begin, holder, make};
use crate::engine::{Engine, EngineError};
use crate::image::{DATA_FOLDER, Image};
use crate::step::{Outcome, Report, Step};

/// Where `registry:2` says where its data is.
const ROOT_VARIABLE: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=";
/// Its port, unless it is told otherwise.
const PORT: &str = "5000/tcp";
/// How long an import may take: it reads every byte once.
const PATIENCE: Duration = Duration::from_hours(24);
const PAUSE: Duration = Duration::from_millis(100);

/// The container whose place is to be taken: another one's of the name, or the one that has the port.
pub async fn predecessor(engine: &Engine, settings: &Settings) -> Result<Option<String>, EngineError> {
    match super::find(engine, &settings.name).await? {
        Found::Foreign(_) => Ok(Some(settings.name.clone())),
        Found::Ours(_) => Ok(None),
        Found::Absent => holder(engine, settings).await,
    }
}

/// Takes the place of a container: its data is imported by hard link and stays as it was, its name answers too, and it
/// runs again where anything fails.
pub async fn adopt(
    engine: &Engine,
    predecessor: &str,
    settings: &Settings,
    keeps_port: bool,
    image: &Image,
    report: Report<'_>,
) -> Result<Settings, RegistryError> {
    let container = engine.container(predecessor).await?.ok_or_else(|| gone(predecessor))?;
    let settings = heir(predecessor, &container, settings, keeps_port)?;
    let networks = super::networks::of(engine, predecessor).await?;
    let aside = format!("{predecessor}-before");
    engine.stop(predecessor).await?;
    engine.rename(predecessor, &aside).await?;
    let taken = async {
        own(engine, &settings, image).await?;
        make(engine, &settings, image).await?;
        begin(engine, &settings, PATIENCE).await?;
        for network in &networks {
            settings.join(engine, network, &|_| {}).await?;
        }
        Ok(())
    };
    let taken: Result<(), RegistryError> = taken.await;
    if let Err(error) = taken {
        engine.remove(&settings.name).await?;
        engine.rename(&aside, predecessor).await?;
        let is_back = engine.start(predecessor).await.is_ok();
        return Err(error.told(is_back));
    }
    let text = format!(
        "took the place of {predecessor}, with {}; that container is kept, stopped, as {aside}: docker rm {aside}",
        settings.data
    );
    report(Step::new(format!("registry {}", settings.name), Outcome::Changed, text));
    // Two containers that come back with the machine would fight for the port.
    engine.keep_stopped(&aside).await?;
    Ok(settings)
}

fn gone(name: &str) -> RegistryError {
    RegistryError::NoHeir { name: name.to_owned(), reason: "it is gone meanwhile".to_owned() }
}

/// What hythe is to be in the place of a container.
fn heir(
    predecessor: &str,
    container: &ContainerInspectResponse,
    settings: &Settings,
    keeps_port: bool,
) -> Result<Settings, RegistryError> {
    let mut heir = settings.clone();
    heir.data = data(predecessor, container)?;
    if keeps_port {
        let ports = container.host_config.as_ref().and_then(|host| host.port_bindings.as_ref());
        let bindings = ports.and_then(|ports| ports.get(PORT)).and_then(Option::as_ref);
        let port = bindings.and_then(|bindings| bindings.first()?.host_port.as_deref()?.parse().ok());
        heir.port = port.unwrap_or(heir.port);
    }
    if predecessor != heir.name && !heir.aliases.iter().any(|alias| alias == predecessor) {
        heir.aliases.push(predecessor.to_owned());
    }
    Ok(heir)
}

/// Where a registry keeps its data.
fn data(predecessor: &str, container: &ContainerInspectResponse) -> Result<Data, RegistryError> {
    let refused = |reason: String| RegistryError::NoHeir { name: predecessor.to_owned(), reason };
    let variables = container.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
    let root = variables.iter().find_map(|variable| variable.strip_prefix(ROOT_VARIABLE)).unwrap_or(DATA_FOLDER);
    let mounts = container.mounts.as_deref().unwrap_or_default();
    let holding = |mount: &&MountPoint| {
        mount.destination.as_deref().is_some_and(|destination| Path::new(root).starts_with(destination))
    };
    let Some(mount) = mounts.iter().filter(holding).max_by_key(|mount| mount.destination.as_deref().map(str::len))
    else {
        return Err(refused(format!(
            "its data is in no volume, but at {root} of the container itself: copy it out with docker cp \
             {predecessor}:{root} ./registry-data, remove the container, and run hythe up --data ./registry-data"
        )));
    };
    let below = Path::new(root).strip_prefix(mount.destination.as_deref().unwrap_or_default()).unwrap_or(Path::new(""));
    match (mount.typ.as_deref(), &mount.name, &mount.source) {
        (Some("volume"), Some(name), _) if below.as_os_str().is_empty() => {
            Ok(Data::Volume(name.clone()))
        }
        (Some("bind"), _, Some(source)) => Ok(Data::Folder(Path::new(source).join(below))),
        _ => Err(refused(format!("the mount that holds its data at {root} is neither a volume of its own nor a folder"))),
    }
}

/// Gives the data to hythe's user: root's cannot be linked by others.
async fn own(engine: &Engine, settings: &Settings, image: &Image) -> Result<(), RegistryError> {
    let name = format!("{}-own", settings.name);
    let source = match &settings.data {
        Data::Volume(name) => name.clone(),
        Data::Folder(path) => path.display().to_string(),
    };
    let (user, _) = settings.user;
    let request = ContainerCreateBody {
        image: Some(image.reference.clone()),
        entrypoint: Some(vec!["/bin/hythe".to_owned()]),
        cmd: Some(["own", DATA_FOLDER, "--user", &user.to_string()].map(str::to_owned).to_vec()),
        user: Some("0:0".to_owned()),
        host_config: Some(HostConfig {
            binds: Some(vec![format!("{source}:{DATA_FOLDER}")]),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    engine.remove(&name).await?;
    engine.create(&name, request).await?;
    engine.start(&name).await?;
    let code = loop {
        let state = engine.container(&name).await?.and_then(|container| container.state);
        match state {
            Some(state) if state.running == Some(true) => sleep(PAUSE).await,
            state => break state.and_then(|state| state.exit_code).unwrap_or(-1),
        }
    };
    let log = super::ready::log(engine, &name).await?;
    engine.remove(&name).await?;
    if code == 0 {
        return Ok(());
    }
    let reason = format!("{} could not be given to user {user}", settings.data);
    Err(RegistryError::NotReady { reason, log, is_rolled_back: false })
}

#[cfg(test)]
mod tests {
    use bollard::models::ContainerConfig;

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
    fn the_data_is_where_the_registry_was_told_to_keep_it() {
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
