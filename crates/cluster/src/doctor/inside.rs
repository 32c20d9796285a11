//! Checks of a registry that runs in a cluster: whether it is ready, and whether the nodes ask it.

use std::path::PathBuf;

use hythe_kube::deploy::Target;
use parking_lot::Mutex;

use super::{Check, Id};
use crate::attach::{InCluster, attach_in_cluster};
use crate::step::{Outcome, Step};
use crate::topology::Cluster;
use hythe_engine::Engine;

/// Whether a Pod of the registry is ready.
pub(super) fn serves(cluster: &str, target: &Target, is_running: bool) -> Check {
    let Target { namespace, name } = target;
    let subject = format!("registry {namespace}/{name} in the cluster {cluster}");
    let status = format!("`hythe deploy status --namespace {namespace} --name {name}`");
    if is_running {
        let evidence = format!("a Pod of the registry is ready; {status} says more");
        return Check::good(Id::RegistryRuns, &subject, evidence);
    }
    Check::bad(Id::RegistryRuns, &subject, "no Pod of the registry is ready")
        .because("its Pod does not start, or its program ends or is not ready yet; the Pod's events and log say why")
        .fixed_by(status)
}

/// Whether the cluster's nodes ask the registry. They do not have to: Pods reach its Service in any case.
pub(super) async fn wired(
    engine: &Engine,
    cluster: &Cluster,
    target: &Target,
    kubeconfig: &[PathBuf],
) -> Check {
    let steps = Mutex::new(Vec::new());
    let report = |step: Step| {
        steps.lock().push(step);
    };
    let wiring =
        InCluster { target: target.clone(), endpoint: None, dry_run: true, kubeconfig: kubeconfig.to_vec() };
    let is_well = attach_in_cluster(engine, cluster, &wiring, &report).await;
    let steps = steps.into_inner();
    judge(cluster, target, is_well, &steps)
}

fn judge(cluster: &Cluster, target: &Target, is_well: bool, steps: &[Step]) -> Check {
    let subject = cluster.to_string();
    let missing: Vec<&str> = steps
        .iter()
        .filter(|step| matches!(step.outcome, Outcome::Changed | Outcome::Failed))
        .map(|step| step.subject.as_str())
        .collect();
    if is_well && missing.is_empty() {
        return Check::good(Id::ClusterAttached, &subject, "the cluster's nodes ask the registry in it");
    }
    let Target { namespace, name } = target;
    Check::unknown(
        Id::ClusterAttached,
        &subject,
        "the nodes' hosts.toml files do not lead to the registry in it",
    )
    .fixed_by(format!("`hythe attach {} --in-cluster --namespace {namespace} --name {name}`", cluster.name))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::sample;

    #[test]
    fn a_registry_in_a_cluster_is_good_if_a_pod_of_it_is_ready() {
        let target = Target { namespace: "storage".parse().unwrap(), name: "reg".parse().unwrap() };
        let check = serves("dev", &target, true);
        assert_eq!((check.verdict, check.repair), (Verdict::Good, None));
        assert!(check.evidence.contains("`hythe deploy status --namespace storage --name reg`"));
        let check = serves("dev", &target, false);
        assert_eq!(check.fix.as_deref(), Some("`hythe deploy status --namespace storage --name reg`"));
        assert!(check.to_string().contains("the registry does not run") && check.cause.is_some(), "{check}");
        let step = Step::new("node w", Outcome::Changed, "would be written");
        let check = judge(&sample::cluster(), &target, true, &[step]);
        assert_eq!(check.verdict, Verdict::Unknown);
        let fix = "`hythe attach dev --in-cluster --namespace storage --name reg`";
        assert_eq!(check.fix.as_deref(), Some(fix));
        assert_eq!(judge(&sample::cluster(), &target, true, &[]).verdict, Verdict::Good);
    }
}
