//! The container engine that a command uses.

use hythe_engine::{Engine, Surroundings};

use crate::args::EngineArgs;
use crate::failure::Failure;

/// Connects to the engine that `--engine` names, or to the engine found on this machine.
pub(super) async fn connect(args: &EngineArgs) -> Result<Engine, Failure> {
    let choice = args.engine.clone().unwrap_or_default();
    Engine::connect(&choice, &Surroundings::of_process()).await.map_err(Failure::from)
}
