//! A cluster as a whole: its network, what it says of its registry, and whether kubelet pulls for a Pod.

use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::probe::Probe;
use super::{Check, Id, Repair, explain, node};
use crate::api::{Access, ApiError, FIELD_MANAGER, MANAGED_BY, Verb};
use crate::attach::{self, Wiring};
use crate::engine::{Engine, EngineError};
use crate::hosting::Published;
use crate::topology::{Cluster, Node};

/// How long kubelet may take to pull for a Pod.
const PATIENCE: Duration = Duration::from_secs(12);
const NAMESPACE: &str = "default";

fn repaired(check: Check, cluster: &Cluster) -> Check {
    let attach = Repair::Attach { cluster: cluster.to_string() };
    check.fixed_by(format!("`hythe attach {}`", cluster.name)).repaired_by(attach)
}

/// Whether somebody detached it; then the rest is as he wanted it.
pub(super) async fn attached(engine: &Engine, cluster: &Cluster) -> Result<Check, EngineError> {
    let subject = cluster.to_string();
    if attach::is_detached(engine, cluster).await? {
        return Ok(Check::unknown(Id::ClusterAttached, &subject, "it was detached, and is left alone")
            .fixed_by(format!("`hythe attach {}`", cluster.name)));
    }
    Ok(Check::good(Id::ClusterAttached, &subject, "by its nodes and their labels"))
}

/// Whether the registry is on each network of the nodes.
pub(super) fn network(cluster: &Cluster, registry: &ContainerInspectResponse) -> Vec<Check> {
    let subject = cluster.to_string();
    let joined = registry.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let joined: Vec<&str> =
        joined.into_iter().flat_map(|networks| networks.keys().map(String::as_str)).collect();
    let mut checks = Vec::new();
    for network in cluster.networks() {
        // The engine's own default network has no names.
        if matches!(network.as_str(), "bridge" | "podman" | "host") {
            continue;
        }
        checks.push(if joined.contains(&network.as_str()) {
            Check::good(Id::ClusterNetwork, &subject, network)
        } else {
            let evidence = format!("its nodes are on {network}; the registry is on {}", joined.join(", "));
            let check = Check::bad(Id::ClusterNetwork, &subject, evidence);
            repaired(check.because("nodes cannot find a registry that is on none of their networks"), cluster)
        });
    }
    checks
}

/// Whether its `ConfigMap` names this registry.
pub(super) fn hosting(cluster: &Cluster, published: Result<Published, ApiError>) -> Check {
    let subject = cluster.to_string();
    let bad = |evidence: String| Check::bad(Id::ClusterHosting, &subject, evidence);
    let check = match published {
        Ok(Published::Same) => return Check::good(Id::ClusterHosting, &subject, "local-registry-hosting"),
        Ok(Published::Absent) => bad("kube-public has no ConfigMap local-registry-hosting".to_owned())
            .because("Tilt and Skaffold push elsewhere, or load images into nodes"),
        Ok(Published::Malformed { reason }) => {
            bad(format!("local-registry-hosting: {reason}")).because("its readers take it for nothing")
        }
        Ok(Published::Differs { found, writers }) => bad(format!(
            "local-registry-hosting says host: {}, hostFromClusterNetwork: {}, by {}",
            found.host.as_deref().unwrap_or("none"),
            found.host_from_cluster_network.as_deref().unwrap_or("none"),
            writers.first().map_or("somebody", String::as_str),
        ))
        .because("Tilt and Skaffold push to what it names"),
        Err(ApiError::Forbidden { message, .. }) => {
            return bad(message)
                .because("this user of the cluster may not read it, and Tilt as this user neither")
                .fixed_by("give the user get on ConfigMaps of kube-public");
        }
        Err(error) => return Check::unknown(Id::ClusterHosting, &subject, error.to_string()),
    };
    repaired(check, cluster)
}

/// That it names another registry which is there: a user's own choice, and nothing to be mended.
pub(super) fn hosting_of_another(cluster: &Cluster, other: &str) -> Check {
    let subject = cluster.to_string();
    Check::unknown(
        Id::ClusterHosting,
        &subject,
        format!("local-registry-hosting names {other}, which is there"),
    )
    .because("Tilt and Skaffold push to what it names")
    .fixed_by(format!("`hythe attach {}`", cluster.name))
}

/// A Pod with the probe's image by the registry's in-cluster name: whether kubelet gets it. Nothing of it has to run.
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
            let evidence =
                format!("kubelet of {} said nothing of a Pod within {} s", on.name, PATIENCE.as_secs());
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
            // Its image is asked for without waiting for the cluster's network, which is another matter.
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
    // What is left of it is a Pod that never runs, with a label that says whose it is.
    let _ = access.ask(Verb::Delete, || format!("Pod {NAMESPACE}/{name}"), request).await;
}

/// Whether the image came, or what kubelet said; none as long as it is at it.
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
        // It is there, and does not run: as it should be.
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
    use crate::hosting::Hosting;

    #[test]
    fn a_registry_that_is_not_on_the_nodes_network_is_joined_to_it() {
        let registry = |networks: serde_json::Value| {
            serde_json::from_value(json!({ "NetworkSettings": { "Networks": networks } })).unwrap()
        };
        let check = &network(&cluster(), &registry(json!({ "bridge": {} })))[0];
        assert_eq!(check.evidence, "its nodes are on kind; the registry is on bridge");
        assert_eq!(check.repair, Some(Repair::Attach { cluster: "kind cluster dev".to_owned() }));
        let check = &network(&cluster(), &registry(json!({ "bridge": {}, "kind": {} })))[0];
        assert_eq!(check.verdict, Verdict::Good);
    }

    #[test]
    fn what_the_cluster_says_of_its_registry_is_judged() {
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
    fn a_pod_that_cannot_run_shows_that_its_image_came() {
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
