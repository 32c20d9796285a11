//! What is safe is done: the registry as it was asked to be, clusters wired to it, containerd started anew.

use std::collections::BTreeSet;

use super::{Check, Repair, Verdict};
use crate::attach::{self, Wiring};
use crate::engine::{Engine, EngineError};
use crate::image::{BinaryError, Image};
use crate::registry::{self, RegistryError};
use crate::step::{Outcome, Report, Step};
use crate::topology::Cluster;

/// Why a repair failed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry did not run.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no binary to make the registry of.
    #[error(transparent)]
    Binary(#[from] BinaryError),
}

/// What checks say is to be done, each thing once, in the order in which it helps.
pub fn repairs(checks: &[Check]) -> BTreeSet<Repair> {
    let bad = checks.iter().filter(|check| check.verdict == Verdict::Bad);
    bad.filter_map(|check| check.repair.clone()).collect()
}

/// Does it, and reports each step.
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
                    // What failed was reported; the checks that follow say what is left.
                    attach::attach(engine, cluster, wiring, report).await?;
                }
            }
            Repair::Restart { node } => {
                attach::restart(engine, node).await?;
                report(Step::new(format!("node {node}"), Outcome::Changed, "containerd was started anew"));
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
    fn each_repair_is_done_once_and_the_registry_first() {
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
