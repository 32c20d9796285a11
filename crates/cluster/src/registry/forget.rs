//! The end of a registry's data: what hythe keeps goes, and nothing of anybody else's.

use super::one_shot::OneShot;
use super::{Data, RegistryError, Settings, memory};
use crate::engine::Engine;
use crate::image::DATA_FOLDER;

/// What is left of where the data was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// The folder, with what is not hythe's.
    Folder,
    /// The volume, with what is not hythe's: these containers have it, or, where there are none, nothing says whose it is.
    Volume(Vec<String>),
}

/// Removes a registry's data, and its container where there is one. A container of hythe's image does that where the data
/// is, as root: the engine may be another machine's, and the folder somebody's who keeps other things in it. `image` loads
/// one where the registry is down. A volume goes only where it is known to be the registry's: from its container, or from
/// what it was asked for.
pub async fn forget(
    engine: &Engine,
    settings: &Settings,
    is_known: bool,
    image: impl AsyncFnOnce() -> Result<String, RegistryError>,
) -> Result<Kept, RegistryError> {
    let name = &settings.name;
    let container = super::own(engine, name).await?;
    super::discard(engine, name).await?;
    let others = match &settings.data {
        Data::Volume(volume) => {
            let mut others = engine.containers_with(volume).await?;
            others.retain(|other| other != name);
            Some(others)
        }
        Data::Folder(_) => None,
    };
    if container.is_some() {
        engine.stop(name).await?;
    }
    let goes = is_known && others.as_ref().is_some_and(Vec::is_empty);
    if !goes {
        let emptied = async {
            let own = container.as_ref().and_then(|container| container.image.clone());
            let image = if let Some(image) = own { image } else { image().await? };
            empty(engine, settings, image).await
        };
        if let Err(error) = emptied.await {
            return Err(if container.is_some() { error.put_back(engine.start(name).await) } else { error });
        }
    }
    engine.remove(name).await?;
    let kept = match (&settings.data, others) {
        (Data::Volume(volume), Some(_)) if goes => {
            engine.remove_volume(volume).await?;
            Kept::Nothing
        }
        (_, Some(others)) => Kept::Volume(others),
        (_, None) => Kept::Folder,
    };
    // Last: what was interrupted can begin again.
    memory::forget(engine, name).await?;
    Ok(kept)
}

async fn empty(engine: &Engine, settings: &Settings, image: String) -> Result<(), RegistryError> {
    // Of the configuration it needs nothing, which may be gone.
    let settings = Settings { config: None, ..settings.clone() };
    let forget = OneShot {
        purpose: "forget",
        image,
        command: vec!["forget".to_owned(), DATA_FOLDER.to_owned()],
        environment: Vec::new(),
    };
    match forget.run(engine, &settings, |_| {}).await? {
        (0, _) => Ok(()),
        // A version before it knew the command.
        (2, _) => Err(RegistryError::NotForgotten {
            data: settings.data.to_string(),
            reason: "its version cannot delete data: run `hythe upgrade` first".to_owned(),
        }),
        (_, log) => Err(RegistryError::NotForgotten { data: settings.data.to_string(), reason: log }),
    }
}
