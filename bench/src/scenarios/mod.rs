//! The scenarios, each in a file of its own.

mod catalog;
mod collect;
mod disk;
mod hash;
mod heavy;
mod idle;
mod image;
mod manifest;
mod pull;
mod push;
mod scale;
mod slow_pulls;
mod start;
mod through;
mod trickle;

use crate::bench::Bench;
use crate::error::{Error, Result};

type Scenario = (&'static [&'static str], fn(&mut Bench) -> Result<()>);

/// All scenarios: their names, and the function that runs the selected ones.
const ALL: &[Scenario] = &[
    (&["hash-one", "hash-two"], hash::run),
    (&["disk"], disk::run),
    (&["start"], start::run),
    (&["idle"], idle::run),
    (&["pull-1", "pull-4", "pull-64"], pull::run),
    (&["push-1", "push-8"], push::run),
    (&["image"], image::run),
    (&["manifest"], manifest::run),
    (&["heavy"], heavy::run),
    (&["catalog"], catalog::run),
    (&["scale"], scale::run),
    (&["collect"], collect::run),
    (&["slow-pulls"], slow_pulls::run),
    (&["trickle"], trickle::run),
    (&["through-50", "through-1", "through-quick", "through-fast"], through::run),
];

/// Refuses a name that no scenario's name starts with.
pub(crate) fn check(only: &[String]) -> Result<()> {
    match only.iter().find(|start| !names().any(|name| name.starts_with(start.as_str()))) {
        None => Ok(()),
        Some(unknown) => Err(Error::Setup(format!(
            "no scenario's name starts with `{unknown}`; the scenarios are {}",
            names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The names of all scenarios.
fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|(names, _)| names.iter().copied())
}

/// Runs the selected scenarios.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    for (names, scenario) in ALL {
        if names.iter().any(|name| bench.wants(name)) {
            scenario(bench)?;
        }
    }
    Ok(())
}
