//! The import of another registry's data, by root before hythe's container is made: another user's files cannot be
//! linked by others.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use futures_util::StreamExt as _;
use tokio::time::sleep;

use super::super::{RegistryError, Settings, body, ready};
use crate::engine::{Engine, EngineError};
use crate::image::{DATA_FOLDER, Image};
use crate::step::Report;

const PAUSE: Duration = Duration::from_millis(50);

/// Imports what the data has, and gives what hythe made of it to hythe's user. What the other registry has is not
/// touched.
pub(super) async fn import(
    engine: &Engine,
    settings: &Settings,
    image: &Image,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let name = format!("{}-import", settings.name);
    let (user, group) = settings.user;
    let mut command = vec!["own".to_owned(), DATA_FOLDER.to_owned(), "--import".to_owned()];
    command.extend(["--user".to_owned(), user.to_string(), "--group".to_owned(), group.to_string()]);
    let (binds, mounts) = body::mounted(settings, body::Kind::of(engine).await?);
    let request = ContainerCreateBody {
        image: Some(image.reference.clone()),
        entrypoint: Some(vec!["/bin/hythe".to_owned()]),
        cmd: Some(command),
        env: Some(body::environment(settings)),
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
        let mut progress = ready::Progress::new(settings, report);
        let mut pieces = Box::pin(engine.logs(&name, true, None));
        while let Some(piece) = pieces.next().await {
            progress.take(&piece?.bytes);
        }
        let code = exit_code(engine, &name).await?;
        Ok::<_, EngineError>((code, ready::log(engine, &name).await?))
    };
    let ended = ended.await;
    engine.remove(&name).await?;
    match ended? {
        (0, _) => Ok(()),
        (code, log) => {
            let reason = format!("the import of {} ended with {code}", settings.data);
            Err(RegistryError::NotReady { reason, log })
        }
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
