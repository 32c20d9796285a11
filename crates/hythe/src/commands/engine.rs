//! The container engine that a command uses, and its images.

mod absent;
mod load;
mod login;
mod own_image;
mod saved;

use hythe_engine::{Engine, Surroundings};

use crate::args::EngineArgs;
use crate::failure::Failure;

pub(super) use absent::absent;
pub(super) use load::{Loading, load};
pub(super) use login::engine_login;
pub(super) use own_image::own_image;
pub(super) use saved::{Saved, saved};

/// Connects to the engine that `--engine` names, or to the engine found on this machine.
pub(super) async fn connect(args: &EngineArgs) -> Result<Engine, Failure> {
    let choice = args.engine.clone().unwrap_or_default();
    Engine::connect(&choice, &Surroundings::of_process()).await.map_err(Failure::from)
}
