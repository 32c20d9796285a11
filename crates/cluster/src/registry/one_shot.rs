//! A container that runs one command of hythe on a registry's data, as root, and is then removed.

use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_engine::models::{ContainerCreateBody, HostConfig};
use tokio::time::sleep;

use super::{RegistrySettings, body, ready};
use hythe_engine::{Engine, EngineError};

/// Pause between two checks whether the container has exited.
const PAUSE: Duration = Duration::from_millis(50);

/// A command to run on a registry's data.
pub(super) struct OneShot {
    /// The suffix of the container's name, after the registry's name.
    pub(super) purpose: &'static str,
    /// hythe's image.
    pub(super) image: String,
    /// hythe's arguments.
    pub(super) command: Vec<String>,
    /// The container's environment variables.
    pub(super) environment: Vec<String>,
}

impl OneShot {
    /// Runs the command with the registry's data mounted, and passes its output to `progress`. Returns its exit code
    /// and the end of its log.
    pub(super) async fn run(
        self,
        engine: &Engine,
        settings: &RegistrySettings,
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
            // The log may end a moment before the container exits.
            Some(state) if state.running == Some(true) => sleep(PAUSE).await,
            state => return Ok(state.and_then(|state| state.exit_code).unwrap_or(-1)),
        }
    }
}
