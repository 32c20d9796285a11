//! Another registry's container, whose place hythe takes with its data.

mod heir;
mod import;

use super::{Found, RegistryError, Settings, begin, find, holder, make, remember};
use crate::engine::{Engine, EngineError};
use crate::image::Image;
use crate::step::{Outcome, Report, Step};

pub use heir::heir;
pub(super) use heir::{ROOT, user};

/// What a container's name has more once its place is taken.
const ASIDE: &str = "-before";

/// The container whose place is to be taken: another one's of the name, the one that has the port, or the one that was
/// set aside for a registry that is gone.
pub async fn predecessor(engine: &Engine, settings: &Settings) -> Result<Option<String>, EngineError> {
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

/// Takes the place of a container, as its [`heir`]: its data is imported by hard link and stays as it was, its name
/// answers too, and it runs again where anything fails.
pub async fn adopt(
    engine: &Engine,
    predecessor: &str,
    settings: &Settings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = &settings.name;
    let subject = format!("registry {name}");
    let container = engine.container(predecessor).await?.ok_or_else(|| gone(predecessor))?;
    let has_run = container.state.and_then(|state| state.running) == Some(true);
    let networks = super::networks::of(engine, predecessor).await?;
    let aside = aside(engine, predecessor).await?;
    let text = format!("takes the place of {predecessor}, with {}", settings.data);
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
        // Two containers that come back with the machine would fight for the port.
        engine.keep_stopped(&aside).await?;
        Ok(remember(engine, settings).await?)
    };
    let taken: Result<(), RegistryError> = taken.await;
    let Err(error) = taken else {
        let text = format!(
            "took the place of {predecessor}, on {}:{}, with {}; that container is kept, stopped, as {aside}",
            settings.address, settings.port, settings.data
        );
        report(Step::new(subject, Outcome::Changed, text));
        return Ok(());
    };
    let restored = async {
        // The one of the name may still be the predecessor.
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
    RegistryError::NoHeir { name: name.to_owned(), reason: "it is gone meanwhile".to_owned() }
}

/// The name under which it is kept: its own where it was set aside before, else one that no container has.
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
