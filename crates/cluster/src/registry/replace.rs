//! Replacing the registry's container. The old container is kept, under another name, until the new one is ready.

use hythe_engine::models::ContainerInspectResponse;

use super::{Found, RegistryError, RegistrySettings, begin, find, is_own_image, make, networks};
use crate::image::Image;
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError};

/// The suffix that the old container's name has while the new one is tried.
const ASIDE: &str = "-replaced";

/// The name of the old container meanwhile.
fn aside(name: &str) -> String {
    format!("{name}{ASIDE}")
}

/// Whether a container's name ends like that of an old container that is kept during a replacement. Examines the name only.
pub(super) fn is_aside(name: &str) -> bool {
    name.ends_with(ASIDE)
}

/// The container that a replacement of `name` set aside, if it exists.
async fn set_aside(engine: &Engine, name: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
    let Some(container) = engine.container(&aside(name)).await? else { return Ok(None) };
    let is_of_it = RegistrySettings::labelled(&container).is_some_and(|settings| settings.name == name);
    Ok(is_of_it.then_some(container))
}

/// Whether a replacement of the registry's container was interrupted: its old container is still set aside.
pub async fn is_cut(engine: &Engine, name: &str) -> Result<bool, EngineError> {
    Ok(set_aside(engine, name).await?.is_some())
}

/// Completes an interrupted replacement: the new container stays if it becomes ready, otherwise the old one returns.
/// Returns whether there was an interrupted replacement.
pub async fn recover(engine: &Engine, name: &str, report: Report<'_>) -> Result<bool, RegistryError> {
    if !is_cut(engine, name).await? {
        return Ok(false);
    }
    let (subject, aside) = (format!("registry {name}"), aside(name));
    match find(engine, name).await? {
        Found::Theirs(_) | Found::Foreign(_) => return Ok(false),
        Found::Ours(container) => match finish(engine, name, &container, report).await {
            Ok(()) => {
                report(Step::new(subject, Outcome::Changed, "completed an interrupted replacement"));
                return Ok(true);
            }
            // The engine did not answer, so the new container's state is unknown: decide nothing.
            Err(RegistryError::Engine(error @ EngineError::Refused { status: None, .. })) => {
                return Err(error.into());
            }
            Err(_) => engine.remove(name).await?,
        },
        Found::Absent => {}
    }
    engine.rename(&aside, name).await?;
    come_back(engine, name).await;
    report(Step::new(
        subject,
        Outcome::Changed,
        "a replacement was interrupted: restored the previous container",
    ));
    Ok(true)
}

/// Starts the new container of an interrupted replacement and, once it is ready, removes the old one.
async fn finish(
    engine: &Engine,
    name: &str,
    container: &ContainerInspectResponse,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let settings = RegistrySettings::known(container)?;
    let aside = aside(name);
    begin(engine, &settings, report).await?;
    for network in networks::of(engine, &aside).await? {
        settings.join(engine, &network, &|_| {}).await?;
    }
    Ok(engine.remove(&aside).await?)
}

/// Removes the old container that an interrupted replacement left beside the registry.
pub async fn discard(engine: &Engine, name: &str) -> Result<(), EngineError> {
    if is_cut(engine, name).await? { engine.remove(&aside(name)).await } else { Ok(()) }
}

/// Has the engine start a container whenever the engine starts. Where the engine cannot change that later, the
/// container keeps the policy it was created with.
pub(super) async fn come_back(engine: &Engine, name: &str) {
    let _ = engine.keep_running(name).await;
}

/// Replaces a container, running or stopped, by a new one.
pub(super) async fn replace(
    engine: &Engine,
    settings: &RegistrySettings,
    before: &ContainerInspectResponse,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let aside = aside(name);
    let old = RegistrySettings::known(before)?;
    let has_run = before.state.as_ref().and_then(|state| state.running) == Some(true);
    let networks = networks::of(engine, name).await?;
    let made = async {
        engine.stop(name).await?;
        engine.rename(name, &aside).await?;
        // If the engine started both containers, they would compete for the port. Where the engine cannot change the
        // old one's policy, the next command sorts the two out (`recover`).
        let _ = engine.keep_stopped(&aside).await;
        make(engine, settings, image).await?;
        begin(engine, settings, report).await?;
        // The old container's networks tell which clusters the registry serves.
        for network in networks {
            settings.join(engine, &network, &|_| {}).await?;
        }
        Ok::<(), RegistryError>(())
    };
    let made = made.await;
    if let Err(error) = made {
        return Err(error.put_back(restore(engine, &old, has_run).await));
    }
    engine.remove(&aside).await?;
    let old_image = before.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
    if old_image != image.reference && is_own_image(&old_image) {
        // The engine refuses while another container uses the image; a leftover image does no harm.
        let _ = engine.remove_image(&old_image).await;
    }
    Ok(())
}

/// Restores the old container and, if it was running before, waits until it is ready.
async fn restore(engine: &Engine, old: &RegistrySettings, has_run: bool) -> Result<(), RegistryError> {
    let name = &old.name;
    if is_cut(engine, name).await? {
        engine.remove(name).await?;
        engine.rename(&aside(name), name).await?;
        come_back(engine, name).await;
    }
    if has_run { begin(engine, old, &|_| {}).await } else { Ok(()) }
}
