//! A container that does one thing to a registry's data, as root, and is gone.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use futures_util::StreamExt as _;
use tokio::time::sleep;

use super::{Settings, body, ready};
use crate::engine::{Engine, EngineError};

const PAUSE: Duration = Duration::from_millis(50);

/// What is done.
pub(super) struct OneShot {
    /// What the container's name has beside the registry's.
    pub(super) purpose: &'static str,
    /// hythe's image.
    pub(super) image: String,
    /// hythe's arguments.
    pub(super) command: Vec<String>,
    /// The variables of its environment.
    pub(super) environment: Vec<String>,
}

impl OneShot {
    /// Runs it where the data is, tells `progress` what it prints, and hands back its exit code and the end of its log.
    pub(super) async fn run(
        self,
        engine: &Engine,
        settings: &Settings,
        mut progress: impl FnMut(&[u8]),
    ) -> Result<(i64, String), EngineError> {
        let name = format!("{}-{}", settings.name, self.purpose);
        let (binds, mounts) = body::mounted(settings, body::Kind::of(engine).await?);
        let request = ContainerCreateBody {
            image: Some(self.image),
            entrypoint: Some(vec!["/bin/hythe".to_owned()]),
            cmd: Some(self.command),
            env: Some(self.environment),
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
                progress(&piece?.bytes);
            }
            Ok((exit_code(engine, &name).await?, ready::log(engine, &name).await?))
        };
        let ended = ended.await;
        engine.remove(&name).await?;
        ended
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
