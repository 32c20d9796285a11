//! Checks of a cluster as a whole: its network, the ConfigMap that names its registry, and a pull by kubelet.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use hythe_kube::api::{Access, ApiError, FIELD_MANAGER, MANAGED_BY, Verb};
use hythe_kube::hosting::Published;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::probe::Probe;
use super::{Check, Id, Repair, explain, node};
use crate::attach::{self, Wiring};
use crate::engine::{Engine, EngineError};
use crate::topology::{Cluster, Node};

/// How long kubelet may take to pull the image of the test Pod.
const PATIENCE: Duration = Duration::from_secs(12);
const NAMESPACE: &str = "default";

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
    let outcome = async {
        make(access, &name, &on.name, &image).await?;
        let began = Instant::now();
        loop {
            if let Some(outcome) = outcome(&get(access, &name).await?) {
                return Ok(Some(outcome));
            }
            if began.elapsed() > PATIENCE {
                return Ok(None);
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let outcome: Result<Option<Result<(), String>>, ApiError> = outcome.await;
    remove(access, &name).await;
    let _ = engine.exec(&on.name, &["crictl", "rmi", &image]).await;
    match outcome {
        Ok(Some(Ok(()))) => Check::good(Id::ClusterPods, &subject, format!("{image} on {}", on.name)),
        Ok(Some(Err(said))) => {
            let check = Check::bad(Id::ClusterPods, &subject, format!("{image} on {}: {said}", on.name));
            match explain(&said) {
                Some(symptom) => {
                    check.because(symptom.cause).fixed_by(symptom.fix_in(&cluster.name, wiring.registry.port))
                }
                None => check,
            }
        }
        Ok(None) => {
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

async fn make(access: &Access, name: &str, node: &str, image: &str) -> Result<(), ApiError> {
    let body = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { MANAGED_BY.0: MANAGED_BY.1 } },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            // kubelet pulls the image without waiting for the cluster's network plugin, which this check is not about.
            "hostNetwork": true,
            "tolerations": [{ "operator": "Exists" }],
            "containers": [{ "name": "probe", "image": image, "imagePullPolicy": "Always" }],
        },
    });
    let pods = access.namespaced::<Pod>(NAMESPACE);
    let params = PatchParams::apply(FIELD_MANAGER);
    let patch = Patch::Apply(&body);
    let request = pods.patch(name, &params, &patch);
    access.ask(Verb::Patch, || format!("Pod {NAMESPACE}/{name}"), request).await.map(drop)
}

async fn get(access: &Access, name: &str) -> Result<Pod, ApiError> {
    let pods = access.namespaced::<Pod>(NAMESPACE);
    access.ask(Verb::Get, || format!("Pod {NAMESPACE}/{name}"), pods.get(name)).await
}

async fn remove(access: &Access, name: &str) {
    let pods = access.namespaced::<Pod>(NAMESPACE);
    let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    let request = pods.delete(name, &params);
    // A Pod that this fails to delete never runs, and its label says that hythe made it.
    let _ = access.ask(Verb::Delete, || format!("Pod {NAMESPACE}/{name}"), request).await;
}

/// Whether kubelet pulled the image, or its message if it failed; none while the pull is under way.
fn outcome(pod: &Pod) -> Option<Result<(), String>> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.first()?;
    let state = status.state.as_ref()?;
    if state.terminated.is_some() || state.running.is_some() || !status.image_id.is_empty() {
        return Some(Ok(()));
    }
    let waiting = state.waiting.as_ref()?;
    match waiting.reason.as_deref() {
        Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "RegistryUnavailable") => {
            Some(Err(waiting.message.clone().unwrap_or_default()))
        }
        // The image is on the node, and the probe's program does not exist: this is the expected end.
        Some(
            "CreateContainerError" | "RunContainerError" | "CreateContainerConfigError" | "CrashLoopBackOff",
        ) => Some(Ok(())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::doctor::sample::cluster;
    use hythe_kube::hosting::Hosting;

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

    #[test]
    fn a_pod_that_cannot_run_shows_that_its_image_was_pulled() {
        let pod = |reason: &str, message: &str| -> Pod {
            serde_json::from_value(json!({ "status": { "containerStatuses": [{
                "name": "probe", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": message } },
            }] } }))
            .unwrap()
        };
        assert_eq!(outcome(&pod("ContainerCreating", "")), None);
        assert_eq!(outcome(&pod("CreateContainerError", "exec")), Some(Ok(())));
        assert_eq!(outcome(&pod("ErrImagePull", "no such host")), Some(Err("no such host".to_owned())));
    }
}
