//! Why an image is not pulled: small checks, each with what was seen, why, and what to do.

mod check;
mod cluster;
mod container;
mod examine;
mod files;
mod id;
mod image;
mod image_name;
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
#[cfg(test)]
pub(crate) mod sample;
mod standing;
mod symptom;

pub use check::{Check, Repair, Verdict};
pub use id::Id;
pub use image_name::{ImageName, ImageNameError};
pub use message::{explain, is_own, message};
pub use refusals::refusals;
pub use repair::{RepairError, repair, repairs};
pub use symptom::{SYMPTOMS, Symptom};

use crate::attach::Wiring;
use crate::engine::{Engine, EngineError};
use crate::topology::Cluster;

/// What is examined.
#[derive(Clone, Copy)]
pub struct Doctor<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// What clusters are to be wired to.
    pub wiring: &'a Wiring,
    /// The clusters.
    pub clusters: &'a [Cluster],
}

/// The check of an engine that does not answer.
pub fn silent(error: &EngineError) -> Check {
    Check::bad(Id::EngineAnswers, "engine", error.to_string())
        .because("nothing can be looked at without it")
        .fixed_by("start it: systemctl start docker, or Docker Desktop; or name it with --engine")
}
