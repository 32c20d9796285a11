//! The user's logins, handed to the registry in its container. The container cannot fetch them itself: credential
//! helpers run on the user's machine. They are handed over again and again, because some are valid for only an hour.

use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::{RegistrySettings, ready};
use crate::engine::{Engine, EngineError};

/// The variable that names the folder where the registry finds logins.
const VARIABLE: &str = "HYTHE_LOGINS";
/// The logins' folder in the container. It is in memory, so that the logins end with the container.
const FOLDER: &str = "/tmp/logins";
/// The variable that shares content fetched with these logins with every client, for upstreams whose configuration does
/// not decide.
const SHARED: &str = "HYTHE_LOGINS_SHARED=true";

/// Time within which the registry must become ready to take logins.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two checks of that.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether a registry gets the logins of the user who started it, and who may use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Logins {
    /// Whether the logins are handed to the registry.
    pub handed: bool,
    /// Whether every client may have content that was fetched with these logins, where the configuration does not
    /// decide. In a container no connection arrives over loopback, so the registry cannot tell local clients from
    /// others.
    pub shared: bool,
}

impl Logins {
    /// The container's environment variables for this.
    pub(super) fn environment(self) -> Vec<String> {
        let mut variables = Vec::new();
        if self.handed {
            variables.push(format!("{VARIABLE}={FOLDER}"));
        }
        if self.shared {
            variables.push(SHARED.to_owned());
        }
        variables
    }

    pub(super) fn describe(self) -> &'static str {
        match (self.handed, self.shared) {
            (false, false) => "none",
            (false, true) => "shared",
            (true, false) => "handed over",
            (true, true) => "handed over and shared",
        }
    }
}

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
    let command = ["/bin/hythe", "take-logins", FOLDER];
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
