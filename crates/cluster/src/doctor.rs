//! Finds out why an image is not pulled, by small checks: each says what it saw, the cause, and what to do.

mod check;
mod cluster;
mod container;
mod examine;
mod files;
mod id;
mod image;
mod inside;
mod machine;
mod meant;
mod message;
mod node;
mod pod;
mod probe;
mod refusals;
mod repair;
mod route;
mod standing;
mod symptom;
mod verdict;

pub use check::{Check, Repair};
pub use id::Id;
pub use meant::is_rate_limit;
pub use message::{explain, is_own, message};
pub use refusals::refusals;
pub use repair::{RepairError, repair, repairs};
pub use symptom::{SYMPTOMS, Symptom};
pub use verdict::Verdict;

use crate::attach::Wiring;
use crate::topology::Cluster;
use hythe_engine::{Engine, EngineError};

/// What `hythe doctor` examines.
#[derive(Clone, Copy)]
pub struct Doctor<'a> {
    /// The container engine.
    pub engine: &'a Engine,
    /// The registry that the clusters should use, and how.
    pub wiring: &'a Wiring,
    /// The clusters to examine.
    pub clusters: &'a [Cluster],
}

/// The failed check of an engine that does not answer.
pub fn silent(error: &EngineError) -> Check {
    Check::bad(Id::EngineAnswers, "engine", error.to_string())
        .because("every other check needs the container engine, so none was made")
        .fixed_by(
            "start the engine: systemctl start docker, or Docker Desktop; or name its address with --engine",
        )
}
