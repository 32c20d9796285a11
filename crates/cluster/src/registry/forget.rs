//! The end of a registry's data: what hythe keeps goes, and nothing of anybody else's.

use bollard::models::{ContainerCreateBody, HostConfig};
use futures_util::StreamExt as _;
use tokio::time::{Duration, sleep};

use super::{Data, RegistryError, Settings, body, ready};
use crate::engine::{Engine, EngineError};
use crate::image::DATA_FOLDER;

const PAUSE: Duration = Duration::from_millis(50);

/// What is left of where the data was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// The folder, with what is not hythe's.
    Folder,
    /// The volume, with what is not hythe's, as these containers have it.
    Volume(Vec<String>),
}

/// Removes a registry's container with its data. A container of the same image does that where the data is, as root:
/// the engine may be another machine's, and the folder somebody's who keeps other things in it.
pub async fn forget(engine: &Engine, settings: &Settings) -> Result<Kept, RegistryError> {
    let name = &settings.name;
    let Some(container) = engine.container(name).await? else { return Ok(Kept::Nothing) };
    super::discard(engine, name).await?;
    let others = match &settings.data {
        Data::Volume(volume) => {
            let mut others = engine.containers_with(volume).await?;
            others.retain(|other| other != name);
            Some(others)
        }
        Data::Folder(_) => None,
    };
    engine.stop(name).await?;
    if others.as_ref().is_none_or(|others| !others.is_empty()) {
        let image = container.image.unwrap_or_default();
        if let Err(error) = empty(engine, settings, image).await {
            return Err(error.put_back(engine.start(name).await));
        }
    }
    engine.remove(name).await?;
    match (&settings.data, others) {
        (Data::Volume(volume), Some(others)) if others.is_empty() => {
            engine.remove_volume(volume).await?;
            Ok(Kept::Nothing)
        }
        (_, Some(others)) => Ok(Kept::Volume(others)),
        (_, None) => Ok(Kept::Folder),
    }
}

async fn empty(engine: &Engine, settings: &Settings, image: String) -> Result<(), RegistryError> {
    let name = format!("{}-forget", settings.name);
    // Of the configuration it needs nothing, which may be gone.
    let settings = Settings { config: None, ..settings.clone() };
    let kind = body::Kind::of(engine).await?;
    let (binds, mounts) = body::mounted(&settings, kind);
    let request = ContainerCreateBody {
        image: Some(image),
        entrypoint: Some(vec!["/bin/hythe".to_owned()]),
        cmd: Some(vec!["forget".to_owned(), DATA_FOLDER.to_owned()]),
        user: Some("0:0".to_owned()),
        host_config: Some(HostConfig {
            binds,
            mounts,
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    engine.remove(&name).await?;
    engine.create(&name, request).await?;
    let ended = async {
        engine.start(&name).await?;
        let mut pieces = Box::pin(engine.logs(&name, true, None));
        while let Some(piece) = pieces.next().await {
            piece?;
        }
        Ok::<_, EngineError>((exit_code(engine, &name).await?, ready::log(engine, &name).await?))
    };
    let ended = ended.await;
    engine.remove(&name).await?;
    match ended? {
        (0, _) => Ok(()),
        // A version before it knew the command.
        (2, _) => Err(RegistryError::NotForgotten {
            data: settings.data.to_string(),
            reason: "its version cannot do that: run `hythe upgrade` first".to_owned(),
        }),
        (_, log) => Err(RegistryError::NotForgotten { data: settings.data.to_string(), reason: log }),
    }
}

async fn exit_code(engine: &Engine, name: &str) -> Result<i64, EngineError> {
    loop {
        let state = engine.container(name).await?.and_then(|container| container.state);
        match state {
            // Its log may end a moment before it does.
            Some(state) if state.running == Some(true) => sleep(PAUSE).await,
            state => return Ok(state.and_then(|state| state.exit_code).unwrap_or(-1)),
        }
    }
}
