//! A new container in the place of one that runs or ran, which is kept until the new one is ready.

use bollard::models::ContainerInspectResponse;

use super::{Found, RegistryError, Settings, begin, find, is_own_image, make, networks};
use crate::engine::{Engine, EngineError};
use crate::image::Image;
use crate::step::{Outcome, Report, Step};

/// What a container's name has more while another one is tried in its place.
const ASIDE: &str = "-replaced";

/// Under which name the one before is kept meanwhile.
fn aside(name: &str) -> String {
    format!("{name}{ASIDE}")
}

/// Whether a container of hythe's has such a name.
pub(super) fn is_aside(name: &str) -> bool {
    name.ends_with(ASIDE)
}

/// The container that a replacement set aside, if there is one.
async fn set_aside(engine: &Engine, name: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
    let Some(container) = engine.container(&aside(name)).await? else { return Ok(None) };
    let is_of_it = Settings::labelled(&container).is_some_and(|settings| settings.name == name);
    Ok(is_of_it.then_some(container))
}

/// Whether a replacement set a registry's container aside and did not come to its end.
pub async fn is_cut(engine: &Engine, name: &str) -> Result<bool, EngineError> {
    Ok(set_aside(engine, name).await?.is_some())
}

/// Brings a replacement that was cut to an end: the container under the name stays if it gets ready, else the one that
/// was set aside comes back. Whether there was one.
pub async fn recover(engine: &Engine, name: &str, report: Report<'_>) -> Result<bool, RegistryError> {
    if !is_cut(engine, name).await? {
        return Ok(false);
    }
    let (subject, aside) = (format!("registry {name}"), aside(name));
    match find(engine, name).await? {
        Found::Theirs(_) | Found::Foreign(_) => return Ok(false),
        Found::Ours(container) => match finish(engine, name, &container, report).await {
            Ok(()) => {
                report(Step::new(subject, Outcome::Changed, "a replacement that was cut short is done"));
                return Ok(true);
            }
            // Nothing is known of the container: the engine did not answer.
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
        "a replacement was cut short: the container before it is back",
    ));
    Ok(true)
}

/// Lets the new container of a replacement have the place, once it is ready.
async fn finish(
    engine: &Engine,
    name: &str,
    container: &ContainerInspectResponse,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let settings = Settings::known(container)?;
    let aside = aside(name);
    begin(engine, &settings, report).await?;
    for network in networks::of(engine, &aside).await? {
        settings.join(engine, &network, &|_| {}).await?;
    }
    Ok(engine.remove(&aside).await?)
}

/// Removes what a replacement that was cut left beside the registry.
pub async fn discard(engine: &Engine, name: &str) -> Result<(), EngineError> {
    if is_cut(engine, name).await? { engine.remove(&aside(name)).await } else { Ok(()) }
}

/// Has a container come back with the engine. One that cannot be told so later keeps what it was made with.
pub(super) async fn come_back(engine: &Engine, name: &str) {
    let _ = engine.keep_running(name).await;
}

/// Puts a new container in the place of one that runs or ran.
pub(super) async fn replace(
    engine: &Engine,
    settings: &Settings,
    before: &ContainerInspectResponse,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let aside = aside(name);
    let old = Settings::known(before)?;
    let has_run = before.state.as_ref().and_then(|state| state.running) == Some(true);
    let networks = networks::of(engine, name).await?;
    let made = async {
        engine.stop(name).await?;
        engine.rename(name, &aside).await?;
        // Two containers that come back with the engine would fight for the port. Where it cannot be told so, the next
        // command finds which one it is.
        let _ = engine.keep_stopped(&aside).await;
        make(engine, settings, image).await?;
        begin(engine, settings, report).await?;
        // Which clusters it is for is told by where the one before was.
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
        // Another container's too, it stays; and it is in nobody's way.
        let _ = engine.remove_image(&old_image).await;
    }
    Ok(())
}

/// Puts the container back that was there before, and waits until it answers if it did.
async fn restore(engine: &Engine, old: &Settings, has_run: bool) -> Result<(), RegistryError> {
    let name = &old.name;
    if is_cut(engine, name).await? {
        engine.remove(name).await?;
        engine.rename(&aside(name), name).await?;
        come_back(engine, name).await;
    }
    if has_run { begin(engine, old, &|_| {}).await } else { Ok(()) }
}
