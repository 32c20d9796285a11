//! The user's logins, handed to the registry in its container. The container cannot fetch them itself: credential
//! helpers run on the user's machine. They are handed over again and again, because some are valid for only an hour.

use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_engine::models::EventMessage;
use tokio::time::{Instant, sleep, sleep_until};

use super::settings::LOGINS_FOLDER;
use super::{RegistrySettings, ready};
use hythe_engine::{Engine, EngineError};

/// Time within which the registry must become ready to take logins.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two checks of that.
const PAUSE: Duration = Duration::from_millis(200);

/// Hands logins, in the form of Docker's configuration file, to the registry once it is ready. Returns whether they
/// differ from those it had.
pub async fn hand_logins(
    engine: &Engine,
    settings: &RegistrySettings,
    logins: &str,
) -> Result<bool, EngineError> {
    let began = Instant::now();
    // A signal tells the registry of new logins; while it starts, it would miss the signal.
    while !ready::is_ready(engine, settings).await {
        let state = engine.container(&settings.name).await?.and_then(|container| container.state);
        let runs = state.is_some_and(|state| state.running == Some(true));
        if !runs || began.elapsed() > PATIENCE {
            return Err(EngineError::Refused {
                doing: format!("hand logins to {}", settings.name),
                status: None,
                message: "the registry is not ready".to_owned(),
            });
        }
        sleep(PAUSE).await;
    }
    let command = ["/bin/hythe", "take-logins", LOGINS_FOLDER];
    let said = engine.run_with(&settings.name, &command, Some(logins.as_bytes())).await?;
    Ok(said.trim() == "changed")
}

/// Runs `act` now, again whenever the engine starts the container, and again after the time that `act` returned. Ends
/// when the engine goes away.
pub async fn at_each_start(
    engine: &Engine,
    container: &str,
    act: impl AsyncFn() -> Duration,
) -> Result<(), EngineError> {
    // Subscribed before the first run, so that a start during it is not missed.
    let mut events = Box::pin(engine.events());
    loop {
        let due = Instant::now() + act().await;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => if is_start(&event?, container) { break },
                    None => return Ok(()),
                },
                () = sleep_until(due) => break,
            }
        }
    }
}

fn is_start(event: &EventMessage, container: &str) -> bool {
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    let name = attributes.and_then(|attributes| attributes.get("name"));
    event.action.as_deref() == Some("start") && name.is_some_and(|name| name == container)
}
