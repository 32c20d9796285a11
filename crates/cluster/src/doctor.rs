//! Why an image is not pulled: small checks, each with what was seen, why, and what to do.

mod check;
mod cluster;
mod container;
mod examine;
mod files;
mod id;
mod image;
mod image_name;
mod machine;
mod meant;
mod node;
mod pod;
mod probe;
mod repair;
mod route;
#[cfg(test)]
pub(crate) mod sample;
mod symptom;

pub use check::{Check, Repair, Verdict};
pub use id::Id;
pub use image_name::{ImageName, ImageNameError};
pub use repair::{RepairError, repair, repairs};
pub use symptom::{SYMPTOMS, Symptom, explain};

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

/// What a message of a tool's means, the likeliest first.
pub fn message(text: &str) -> Vec<Check> {
    let symptoms = explain(text);
    if symptoms.is_empty() {
        let unknown =
            Check::unknown(Id::Message, "message", text).fixed_by("hythe doctor looks at everything");
        return vec![unknown];
    }
    let check = |symptom: &Symptom| {
        let cause = format!("{} (symptom {})", symptom.cause, symptom.number);
        Check::bad(Id::Message, "message", text).because(cause).fixed_by(symptom.fix)
    };
    symptoms.into_iter().map(check).collect()
}

/// The check of an engine that does not answer.
pub fn silent(error: &EngineError) -> Check {
    Check::bad(Id::EngineAnswers, "engine", error.to_string())
        .because("nothing can be looked at without it")
        .fixed_by("start it: systemctl start docker, or Docker Desktop; or name it with --engine")
}
