//! The safe repairs of `hythe doctor --fix`: start the registry, attach clusters to it, restart containerd.

use std::collections::BTreeSet;

use super::{Check, Repair, Verdict};
use crate::attach::{self, Wiring};
use crate::image::{BinaryError, Image};
use crate::registry::{self, RegistryError};
use crate::step::{Outcome, Report, Step};
use crate::topology::Cluster;
use hythe_engine::{Engine, EngineError};

/// Why a repair failed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry could not be started.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No binary was found from which to make the registry's image.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

/// The repairs of failed checks, each once, in the order in which they help.
pub fn repairs(checks: &[Check]) -> BTreeSet<Repair> {
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad);
    bad.filter_map(|check| check.repair.clone()).collect()
}

/// Makes the repairs, and reports each step.
pub async fn repair(
    engine: &Engine,
    wiring: &Wiring,
    clusters: &[Cluster],
    repairs: &BTreeSet<Repair>,
    image: impl Fn() -> Result<Image, BinaryError>,
    report: Report<'_>,
) -> Result<(), RepairError> {
    for repair in repairs {
        match repair {
            Repair::Registry => {
                let image = image()?;
                registry::load(engine, &image, report).await?;
                registry::run(engine, &wiring.registry, &image, report).await?;
            }
            Repair::Attach { cluster } => {
                for cluster in clusters.iter().filter(|known| known.to_string() == *cluster) {
                    // The attach reports what failed; the checks after the repairs say what is left.
                    attach::attach(engine, cluster, wiring, report).await?;
                }
            }
            Repair::Restart { node } => {
                attach::restart(engine, node).await?;
                report(Step::new(format!("node {node}"), Outcome::Changed, "restarted containerd"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Id;

    #[test]
    fn each_repair_is_made_once_and_the_registrys_first() {
        let attach = || Repair::Attach { cluster: "kind cluster a".to_owned() };
        let restart = || Repair::Restart { node: "w".to_owned() };
        let bad = |repair| Check::bad(Id::NodeHosts, "node w", "").repaired_by(repair);
        let good =
            Check::good(Id::NodeHosts, "node w", "").repaired_by(Repair::Restart { node: "x".to_owned() });
        let checks = [bad(restart()), bad(attach()), bad(attach()), bad(Repair::Registry), good];
        let found: Vec<Repair> = repairs(&checks).into_iter().collect();
        assert_eq!(found, [Repair::Registry, attach(), restart()]);
    }
}
