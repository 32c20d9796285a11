//! Deleting a registry's data: only hythe's own files, never those of others.

use super::one_shot::OneShot;
use super::{Data, RegistryError, RegistrySettings, memory};
use crate::image::DATA_FOLDER;
use hythe_engine::Engine;

/// What remains at the place of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// The folder, with the files that are not hythe's.
    Folder,
    /// The volume, with the files that are not hythe's. These other containers use it; an empty list means that the
    /// volume's owner is unknown.
    Volume(Vec<String>),
}

/// Deletes a registry's data and its container, if it exists.
///
/// A container of hythe's image deletes the data, as root: the engine may be on another machine, and the folder may
/// hold other files, which stay. `image` loads the image where the registry has no container. A volume as a whole is
/// removed only if it is known to be the registry's (`is_known`): from its container, or from its remembered settings.
pub async fn forget(
    engine: &Engine,
    settings: &RegistrySettings,
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
    // Forgotten last, so that an interrupted deletion can be repeated.
    memory::forget(engine, name).await?;
    Ok(kept)
}

async fn empty(engine: &Engine, settings: &RegistrySettings, image: String) -> Result<(), RegistryError> {
    // `forget` does not need the configuration file, and the file may be gone.
    let settings = RegistrySettings { config: None, ..settings.clone() };
    let forget = OneShot {
        purpose: "forget",
        image,
        command: vec!["forget".to_owned(), DATA_FOLDER.to_owned()],
        environment: Vec::new(),
    };
    match forget.run(engine, &settings, |_| {}).await? {
        (0, _) => Ok(()),
        // An older version that does not know the command `forget`.
        (2, _) => Err(RegistryError::NotForgotten {
            data: settings.data.to_string(),
            reason: "the registry's version of hythe cannot delete data: run `hythe upgrade` first"
                .to_owned(),
        }),
        (_, log) => Err(RegistryError::NotForgotten { data: settings.data.to_string(), reason: log }),
    }
}
