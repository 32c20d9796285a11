//! Whether a cluster is wired to a registry, found by a dry run of attaching the cluster.

use hythe_cluster::attach::{self, InCluster};
use hythe_cluster::registry::RegistrySettings;
use hythe_cluster::sites::Site;
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::Cluster;
use hythe_engine::Engine;

use super::super::{Steps, kubeconfig, wiring};
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;
use crate::values::Output;

/// The state of a cluster, as a clause.
pub(super) async fn state(
    engine: &Engine,
    cluster: &Cluster,
    settings: Option<&RegistrySettings>,
    others: &[&Site],
    environment: &Environment,
) -> Result<String, Failure> {
    if !cluster.is_running() {
        return Ok("does not run".to_owned());
    }
    let inside = others.iter().find_map(|site| match site {
        Site::Cluster { cluster: name, target, .. } if *name == cluster.name => Some(target),
        _ => None,
    });
    let steps = Steps::new(Printer::new(Output::Json));
    let report = |step| steps.take(step);
    if let (None, Some(target)) = (settings, inside) {
        let wiring = InCluster {
            target: target.clone(),
            endpoint: None,
            dry_run: true,
            kubeconfig: kubeconfig(environment),
        };
        let is_well = attach::attach_in_cluster(engine, cluster, &wiring, &report).await;
        let to = format!("the registry {}/{} in it", target.namespace, target.name);
        return Ok(told(&steps.all(), is_well, &format!(" to {to}")));
    }
    if attach::is_detached(engine, cluster).await? {
        return Ok("detached".to_owned());
    }
    let Some(settings) = settings else { return Ok("not attached".to_owned()) };
    let wiring = wiring(settings.clone(), environment, false, true)?;
    let is_well = attach::attach(engine, cluster, &wiring, &report).await?;
    Ok(told(&steps.all(), is_well, ""))
}

fn told(steps: &[Step], is_well: bool, to: &str) -> String {
    let mut missing: Vec<&str> = steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Changed | Outcome::Failed))
        .map(|step| step.subject.as_str())
        .collect();
    missing.dedup();
    if !is_well || !missing.is_empty() {
        return format!("not fully attached{to}: {}", missing.join(", "));
    }
    // Nodes whose files belong to other tools or registries count as attached too, but some of their upstreams do not
    // go through this registry.
    let mut left: Vec<&str> =
        steps.iter().filter(|step| step.outcome == Outcome::Skipped).map(|step| step.text.as_str()).collect();
    left.sort_unstable();
    left.dedup();
    if left.is_empty() {
        format!("attached{to}")
    } else {
        format!("attached{to}, except: {}", left.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_whose_upstreams_go_elsewhere_is_not_simply_attached() {
        let step = |outcome, text: &str| Step::new("node w", outcome, text);
        let same = step(Outcome::Unchanged, "up to date");
        assert_eq!(told(std::slice::from_ref(&same), true, ""), "attached");
        let left = step(Outcome::Skipped, "docker.io: pulled through the registry other");
        assert_eq!(
            told(&[same.clone(), left.clone(), left], true, ""),
            "attached, except: docker.io: pulled through the registry other"
        );
        let changed = step(Outcome::Changed, "would be written");
        assert_eq!(told(&[same, changed.clone(), changed], true, ""), "not fully attached: node w");
    }
}
