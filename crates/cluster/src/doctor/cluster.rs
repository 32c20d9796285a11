//! Checks of a cluster as a whole: its network, the ConfigMap that names its registry, and a pull by kubelet.

use std::time::Duration;

use hythe_engine::models::ContainerInspectResponse;
use hythe_kube::api::{Access, ApiError};
use hythe_kube::hosting::Published;
use hythe_kube::trial::{Pull, Trial};
use tokio::time::{Instant, sleep};

use super::probe::Probe;
use super::{Check, Id, Repair, explain, node};
use crate::attach::{self, Wiring};
use crate::topology::{Cluster, Node};
use hythe_engine::{Engine, EngineError};

/// How long kubelet may take to pull the image of the test Pod.
const PATIENCE: Duration = Duration::from_secs(12);

fn repaired(check: Check, cluster: &Cluster) -> Check {
    let attach = Repair::Attach { cluster: cluster.to_string() };
    check.fixed_by(format!("`hythe attach {}`", cluster.name)).repaired_by(attach)
}

/// Whether the cluster is attached. A detached cluster is its user's choice, and no other check is made.
pub(super) async fn attached(engine: &Engine, cluster: &Cluster) -> Result<Check, EngineError> {
    let subject = cluster.to_string();
    if attach::is_detached(engine, cluster).await? {
        return Ok(Check::unknown(
            Id::ClusterAttached,
            &subject,
            "a user detached the cluster; it is not checked",
        )
        .fixed_by(format!("`hythe attach {}`", cluster.name)));
    }
    Ok(Check::good(Id::ClusterAttached, &subject, "found by its nodes' labels"))
}

/// Whether the registry is on every network of the nodes.
pub(super) fn network(cluster: &Cluster, registry: &ContainerInspectResponse) -> Vec<Check> {
    let subject = cluster.to_string();
    let joined = registry.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let joined: Vec<&str> =
        joined.into_iter().flat_map(|networks| networks.keys().map(String::as_str)).collect();
    let mut checks = Vec::new();
    for network in cluster.networks() {
        // An engine's default network does not resolve names, so that being on it helps no node.
        if matches!(network.as_str(), "bridge" | "podman" | "host") {
            continue;
        }
        checks.push(if joined.contains(&network.as_str()) {
            Check::good(Id::ClusterNetwork, &subject, network)
        } else {
            let evidence = format!("the nodes are on {network}; the registry is on {}", joined.join(", "));
            let check = Check::bad(Id::ClusterNetwork, &subject, evidence);
            repaired(
                check.because("the registry's container has not joined this network of the nodes"),
                cluster,
            )
        });
    }
    checks
}

/// Whether the cluster's `ConfigMap` names this registry.
pub(super) fn hosting(cluster: &Cluster, published: Result<Published, ApiError>) -> Check {
    let subject = cluster.to_string();
    let bad = |evidence: String| Check::bad(Id::ClusterHosting, &subject, evidence);
    let check = match published {
        Ok(Published::Same) => return Check::good(Id::ClusterHosting, &subject, "local-registry-hosting"),
        Ok(Published::Absent) => bad("kube-public has no ConfigMap local-registry-hosting".to_owned())
            .because("without it, Tilt and Skaffold push to another registry, or load images into the nodes"),
        Ok(Published::Malformed { reason }) => bad(format!("local-registry-hosting: {reason}"))
            .because("Tilt and Skaffold ignore a ConfigMap that they cannot read"),
        Ok(Published::Differs { found, writers }) => bad(format!(
            "local-registry-hosting says host: {}, hostFromClusterNetwork: {}, by {}",
            found.host.as_deref().unwrap_or("none"),
            found.host_from_cluster_network.as_deref().unwrap_or("none"),
            writers.first().map_or("an unknown writer", String::as_str),
        ))
        .because("Tilt and Skaffold push to the registry that the ConfigMap names"),
        Err(ApiError::Forbidden { message, .. }) => {
            return bad(message)
                .because(
                    "this user of the cluster may not read the ConfigMap, and neither may Tilt as this user",
                )
                .fixed_by("allow the user to get ConfigMaps in the namespace kube-public");
        }
        Err(error) => return Check::unknown(Id::ClusterHosting, &subject, error.to_string()),
    };
    repaired(check, cluster)
}

/// The check of a `ConfigMap` that names another existing registry: the user's choice, which `--fix` does not change.
pub(super) fn hosting_of_another(cluster: &Cluster, other: &str) -> Check {
    let subject = cluster.to_string();
    Check::unknown(
        Id::ClusterHosting,
        &subject,
        format!("local-registry-hosting names {other}, which exists"),
    )
    .because("Tilt and Skaffold push to the registry that the ConfigMap names")
    .fixed_by(format!("`hythe attach {}`", cluster.name))
}

/// Whether kubelet pulls the probe's image for a Pod by the registry's in-cluster name. The Pod need not run.
pub(super) async fn pods(
    engine: &Engine,
    access: &Access,
    (cluster, on): (&Cluster, &Node),
    probe: &Probe,
    wiring: &Wiring,
) -> Check {
    let subject = cluster.to_string();
    let image = probe.name(&node::inner(wiring));
    let name = format!("hythe-doctor-{}", probe.tag);
    let trial = Trial::new(access, &name);
    let outcome = async {
        trial.start(&on.name, &image).await?;
        let began = Instant::now();
        loop {
            let pull = trial.pull().await?;
            if pull != Pull::Underway || began.elapsed() > PATIENCE {
                return Ok(pull);
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let outcome: Result<Pull, ApiError> = outcome.await;
    trial.remove().await;
    let _ = engine.exec(&on.name, &["crictl", "rmi", &image]).await;
    match outcome {
        Ok(Pull::Done) => Check::good(Id::ClusterPods, &subject, format!("{image} on {}", on.name)),
        Ok(Pull::Failed(said)) => {
            let check = Check::bad(Id::ClusterPods, &subject, format!("{image} on {}: {said}", on.name));
            match explain(&said) {
                Some(symptom) => {
                    check.because(symptom.cause).fixed_by(symptom.fix_in(&cluster.name, wiring.registry.port))
                }
                None => check.because("kubelet failed to pull; its message shows no known symptom").fixed_by(
                    format!(
                        "correct what the checks of {} find; kubelet's log in the node has more",
                        on.name
                    ),
                ),
            }
        }
        Ok(Pull::Underway) => {
            let evidence = format!(
                "the kubelet of {} reported no pull for the test Pod within {} s",
                on.name,
                PATIENCE.as_secs()
            );
            Check::unknown(Id::ClusterPods, &subject, evidence)
        }
        Err(error) => Check::unknown(Id::ClusterPods, &subject, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use hythe_kube::api::Verb;
    use hythe_kube::hosting::Hosting;
    use serde_json::json;

    use super::*;
    use crate::doctor::Verdict;
    use crate::sample::cluster;

    #[test]
    fn a_registry_that_is_not_on_the_nodes_network_is_joined_to_it() {
        let registry = |networks: serde_json::Value| {
            serde_json::from_value(json!({ "NetworkSettings": { "Networks": networks } })).unwrap()
        };
        let check = &network(&cluster(), &registry(json!({ "bridge": {} })))[0];
        assert_eq!(check.evidence, "the nodes are on kind; the registry is on bridge");
        assert_eq!(check.repair, Some(Repair::Attach { cluster: "kind cluster dev".to_owned() }));
        let check = &network(&cluster(), &registry(json!({ "bridge": {}, "kind": {} })))[0];
        assert_eq!(check.verdict, Verdict::Good);
    }

    #[test]
    fn a_config_map_that_does_not_name_this_registry_is_bad() {
        let found = Hosting { host: Some("localhost:5000".to_owned()), ..Hosting::default() };
        let forbidden = ApiError::Forbidden {
            context: "c".to_owned(),
            verb: Verb::Get,
            what: "x".to_owned(),
            message: "User \"u\" cannot get".to_owned(),
        };
        for (published, verdict, text) in [
            (Ok(Published::Same), Verdict::Good, "local-registry-hosting"),
            (Ok(Published::Absent), Verdict::Bad, "has no ConfigMap"),
            (Ok(Published::Malformed { reason: "no key".to_owned() }), Verdict::Bad, "no key"),
            (
                Ok(Published::Differs { found, writers: vec!["kubectl".to_owned()] }),
                Verdict::Bad,
                "localhost:5000",
            ),
            (Err(forbidden), Verdict::Bad, "cannot get"),
        ] {
            let check = hosting(&cluster(), published);
            assert!(check.verdict == verdict && check.to_string().contains(text), "{check}");
        }
    }
}
