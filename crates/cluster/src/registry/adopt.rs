//! Adopting another registry: hythe replaces its container and takes over its data.

mod heir;
mod import;

use super::port::holder;
use super::{Found, RegistryError, RegistrySettings, begin, find, make, remember};
use crate::image::Image;
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError};

pub use heir::heir;

/// The suffix that a replaced container's name gets.
const ASIDE: &str = "-before";

/// The container that hythe would replace: another registry's container of this name, or the one that has the port, or
/// the one that was set aside for a registry of hythe's that is gone.
pub async fn predecessor(
    engine: &Engine,
    settings: &RegistrySettings,
) -> Result<Option<String>, EngineError> {
    let name = &settings.name;
    match find(engine, name).await? {
        Found::Foreign(_) => return Ok(Some(name.clone())),
        Found::Ours(_) | Found::Theirs(_) => return Ok(None),
        Found::Absent => {}
    }
    if let Some(holder) = holder(engine, settings).await? {
        let is_foreign = matches!(find(engine, &holder).await?, Found::Foreign(_));
        return Ok(is_foreign.then_some(holder));
    }
    let aside = format!("{name}{ASIDE}");
    let found = find(engine, &aside).await?;
    Ok(matches!(found, Found::Foreign(_)).then_some(aside))
}

/// Replaces another registry's container, with the settings from [`heir`]. Its data is imported by hard links and stays
/// unchanged, and its name leads to hythe too. On failure, the container is restored.
pub async fn adopt(
    engine: &Engine,
    predecessor: &str,
    settings: &RegistrySettings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let subject = format!("registry {name}");
    let container = engine.container(predecessor).await?.ok_or_else(|| gone(predecessor))?;
    let has_run = container.state.and_then(|state| state.running) == Some(true);
    let networks = super::networks::of(engine, predecessor).await?;
    let aside = aside(engine, predecessor).await?;
    let text = format!("replacing {predecessor}, with its data in {}", settings.data);
    report(Step::new(subject.clone(), Outcome::Underway, text));
    engine.stop(predecessor).await?;
    let taken = async {
        if aside != predecessor {
            engine.rename(predecessor, &aside).await?;
        }
        import::import(engine, settings, image, report).await?;
        make(engine, settings, image).await?;
        begin(engine, settings, report).await?;
        for network in &networks {
            settings.join(engine, network, &|_| {}).await?;
        }
        // If the engine started both containers, they would compete for the port.
        engine.keep_stopped(&aside).await?;
        Ok(remember(engine, settings).await?)
    };
    let taken: Result<(), RegistryError> = taken.await;
    let Err(error) = taken else {
        let text = format!(
            "replaced {predecessor}, on {}:{}, with its data in {}; the old container is kept, stopped, as {aside}",
            settings.address, settings.port, settings.data
        );
        report(Step::new(subject, Outcome::Changed, text));
        return Ok(());
    };
    let restored = async {
        // The container of this name may still be the predecessor.
        if matches!(find(engine, name).await?, Found::Ours(_)) {
            engine.remove(name).await?;
        }
        if engine.container(predecessor).await?.is_none() {
            engine.rename(&aside, predecessor).await?;
        }
        if has_run { engine.start(predecessor).await } else { Ok(()) }
    };
    Err(error.put_back(restored.await))
}

fn gone(name: &str) -> RegistryError {
    RegistryError::NoHeir { name: name.to_owned(), reason: "it no longer exists".to_owned() }
}

/// The name under which the old container is kept: its present one if it was set aside before, otherwise an unused one.
async fn aside(engine: &Engine, predecessor: &str) -> Result<String, EngineError> {
    if predecessor.ends_with(ASIDE) {
        return Ok(predecessor.to_owned());
    }
    let mut name = format!("{predecessor}{ASIDE}");
    let mut number = 2;
    while engine.container(&name).await?.is_some() {
        name = format!("{predecessor}{ASIDE}-{number}");
        number += 1;
    }
    Ok(name)
}
