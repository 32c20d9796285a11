//! Logins of the machine's user, handed to the registry: the programs that know them run on the machine, and what they
//! tell may be good for an hour only.

use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Settings, ready};
use crate::engine::{Engine, EngineError};

/// The variable that tells the registry where logins are handed to it.
const VARIABLE: &str = "HYTHE_LOGINS";
/// Inside, where they are: in memory, so that they are gone with the process.
const FOLDER: &str = "/tmp/logins";
/// The variable that says who gets what they open, for those of which the configuration says nothing.
const SHARED: &str = "HYTHE_LOGINS_SHARED=true";

/// How long the registry may take to be ready for them.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// What a registry has of the logins of whoever started it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Logins {
    /// Whether they are handed to it.
    pub handed: bool,
    /// Whether whoever reaches it gets what they open where its configuration does not say who: over loopback nobody comes
    /// into a container.
    pub shared: bool,
}

impl Logins {
    /// The variables of the container.
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

/// Hands logins to the registry, once it is ready; whether it had others before. They are a configuration of Docker's.
pub async fn hand_logins(engine: &Engine, settings: &Settings, logins: &str) -> Result<bool, EngineError> {
    let began = Instant::now();
    // It takes what comes later by a signal, which it would not hear while it starts.
    while !ready::is_ready(engine, settings).await {
        let state = engine.container(&settings.name).await?.and_then(|container| container.state);
        let runs = state.is_some_and(|state| state.running == Some(true));
        if !runs || began.elapsed() > PATIENCE {
            return Err(EngineError::Refused {
                doing: format!("hand logins to {}", settings.name),
                status: None,
                message: "it does not answer that it is ready".to_owned(),
            });
        }
        sleep(PAUSE).await;
    }
    let command = ["/bin/hythe", "take-logins", FOLDER];
    let said = engine.run_with(&settings.name, &command, Some(logins.as_bytes())).await?;
    Ok(said.trim() == "changed")
}

/// Does something now, whenever the engine starts the container, and as long after as the last time says, until the
/// engine goes away.
pub async fn at_each_start(
    engine: &Engine,
    container: &str,
    act: impl AsyncFn() -> Duration,
) -> Result<(), EngineError> {
    // What starts while it acts is heard.
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
