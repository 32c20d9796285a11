//! The registry as a container of the engine, outside the clusters.

mod adopt;
mod body;
mod error;
mod forget;
mod found;
mod logins;
mod memory;
mod networks;
mod one_shot;
mod owner;
mod port;
mod ready;
mod recorded;
mod registry2;
mod replace;
mod seen;
mod settings;

use hythe_oci::ImageNameParts;

use crate::image::{Image, REPOSITORY};
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError};

pub use adopt::{adopt, heir, predecessor};
pub use error::RegistryError;
pub use forget::{Kept, forget};
pub use found::{Found, find, own};
pub use logins::{at_each_start, hand_logins};
pub use memory::{remember, remembered};
pub use networks::{Joined, address_on};
pub use owner::Owner;
pub use ready::import_line;
pub use replace::{discard, is_cut, recover};
pub(crate) use seen::speaks_hythe;
pub use settings::{Data, Logins, RegistrySettings};

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
            return Err(port::port_taken(engine, settings, &said).await?);
        }
        return Err(error.into());
    }
    ready::wait(engine, settings, report).await?;
    ready::published(engine, settings, report).await;
    Ok(())
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
    use std::net::IpAddr;

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
