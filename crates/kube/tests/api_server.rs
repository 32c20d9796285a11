//! Tests with a real API server. `HYTHE_TEST_KUBECONFIG` names a kubeconfig of a user with all rights, and
//! `HYTHE_TEST_KUBECONFIG_OF_NOBODY` one of a user without any rights.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::path::PathBuf;
use std::time::Duration;

use hythe_kube::api::{Access, ApiError, Change, Kind};
use hythe_kube::deploy::{
    self, Data, DeployError, DeployOptions, ImageSource, Left, Progress, Stored, Target, Workload, apply,
    remove, status,
};
use hythe_kube::hosting::{self, Hosting, Published, Removal};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::json;

const NEEDS: &str = "HYTHE_TEST_KUBECONFIG";

fn kubeconfig(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no kubeconfig")).into()
}

async fn access() -> Access {
    Access::from_files(&[kubeconfig(NEEDS)], None).await.unwrap()
}

/// A client of another user, as with kubectl.
async fn other() -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig(NEEDS)).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// Options in a new namespace. Each namespace is used only once, because without controllers none is ever deleted.
fn options(what: &str) -> DeployOptions {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let target = Target {
        namespace: format!("{what}-{seconds}").parse().unwrap(),
        name: "docker-registry".parse().unwrap(),
    };
    let options =
        DeployOptions::new(target, ImageSource::Nodes("localhost/hythe:1".parse().unwrap())).unwrap();
    DeployOptions { node_port: None, ..options }
}

fn sized(size: &str) -> Data {
    Data::Claim { size: Some(size.parse().unwrap()), class: None }
}

/// Applies the options and returns the changes. Without controllers no Pod is created, so the error that none became
/// ready is expected.
async fn applied(
    access: &Access,
    options: &DeployOptions,
    force: bool,
) -> Result<Vec<(String, Change)>, DeployError> {
    let mut changes = Vec::new();
    let mut note = |progress| {
        if let Progress::Applied { object, change } = progress {
            changes.push((object.to_string(), change));
        }
    };
    match apply(access, options, force, Duration::ZERO, &mut note).await {
        Ok(_) | Err(DeployError::NotReady { .. }) => Ok(changes),
        Err(error) => Err(error),
    }
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn the_configmap_is_published_once_and_a_foreign_one_is_replaced_only_with_force() {
    let access = access().await;
    let maps: Api<ConfigMap> = Api::namespaced(other().await, "kube-public");
    let _ = maps.delete("local-registry-hosting", &kube::api::DeleteParams::default()).await;
    let ours = Hosting { host: Some("localhost:5001".to_owned()), ..Hosting::default() };
    assert_eq!(ours.compare(&access).await.unwrap(), Published::Absent);
    assert_eq!(ours.publish(&access, false).await.unwrap(), Change::Created);
    assert_eq!(ours.publish(&access, false).await.unwrap(), Change::Unchanged);
    assert_eq!(ours.compare(&access).await.unwrap(), Published::Same);

    let theirs = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "local-registry-hosting" },
        "data": { "localRegistryHosting.v1": "host: localhost:6000\n" },
    });
    let params =
        PatchParams { field_manager: Some("ctlptl".to_owned()), force: true, ..PatchParams::default() };
    maps.patch("local-registry-hosting", &params, &Patch::Apply(theirs)).await.unwrap();
    let Published::Differs { found, writers } = ours.compare(&access).await.unwrap() else {
        panic!("it is another")
    };
    assert_eq!((found.host.as_deref(), writers), (Some("localhost:6000"), vec!["ctlptl".to_owned()]));
    let Err(ApiError::Conflict { owners, .. }) = ours.publish(&access, false).await else {
        panic!("it was taken")
    };
    assert_eq!(
        (owners[0].field.as_str(), owners[0].manager.as_str()),
        ("data.localRegistryHosting.v1", "ctlptl")
    );
    assert_eq!(ours.publish(&access, true).await.unwrap(), Change::Changed);
    assert_eq!(hosting::remove(&access).await.unwrap(), Removal::Removed);
    assert_eq!(hosting::remove(&access).await.unwrap(), Removal::Absent);
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn a_registry_is_applied_again_without_a_change_and_grows() {
    let access = access().await;
    let options = options("apply");
    let first = applied(&access, &options, false).await.unwrap();
    assert!(first.iter().all(|(_, change)| *change == Change::Created), "{first:?}");
    assert_eq!(first.len(), 6, "{first:?}");
    let second = applied(&access, &options, false).await.unwrap();
    assert!(second.iter().all(|(_, change)| *change == Change::Unchanged), "{second:?}");
    // An API server refuses to grow an unbound claim. Its refusal shows that hythe asked for the new size.
    let Err(DeployError::Api(ApiError::Refused { message, .. })) =
        applied(&access, &DeployOptions { data: sized("20Gi"), ..options.clone() }, false).await
    else {
        panic!("the claim was not asked to grow")
    };
    assert!(message.contains("claim"), "{message}");
    let smaller = applied(&access, &DeployOptions { data: sized("1Gi"), ..options.clone() }, false).await;
    assert!(matches!(smaller, Err(DeployError::Shrinks { .. })), "{smaller:?}");
    let moved = DeployOptions { data: Data::HostPath("/mnt/registry".parse().unwrap()), ..options.clone() };
    assert!(matches!(applied(&access, &moved, false).await, Err(DeployError::Moves { .. })));

    let set = DeployOptions { workload: Workload::StatefulSet, ..options.clone() };
    let changed = applied(&access, &set, false).await.unwrap();
    assert!(
        changed.iter().any(|(name, change)| name.starts_with("StatefulSet") && *change == Change::Created)
    );
    let state = status(&access, &options.target).await.unwrap();
    assert_eq!(state.workload.kind, Kind::StatefulSet);
    assert!(matches!(state.data, Stored::Claim { ref size, .. } if size == "10Gi"), "{state:?}");

    let removed = remove(&access, &options.target, false, &mut |_| {}).await.unwrap();
    assert!(removed.left.iter().any(|left| matches!(left, Left::Claim(_))), "{removed:?}");
    assert!(matches!(status(&access, &options.target).await, Err(DeployError::Absent(_))));
    remove(&access, &options.target, true, &mut |_| {}).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn an_error_tells_a_pod_s_state_and_a_field_of_another_manager_is_kept() {
    let access = access().await;
    let options = options("pods");
    applied(&access, &options, false).await.unwrap();
    let client = other().await;
    let namespace = options.target.namespace.as_str();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let account = serde_json::from_value(json!({ "metadata": { "name": "default" } })).unwrap();
    let _ = accounts.create(&PostParams::default(), &account).await;
    let deployment = deploy::render(&options).pop().unwrap();
    let mut template = deployment.body()["spec"]["template"].clone();
    template["metadata"]["name"] = json!("docker-registry-1");
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.create(&PostParams::default(), &serde_json::from_value(template).unwrap()).await.unwrap();
    let waiting = json!({ "status": { "phase": "Pending", "containerStatuses": [{
        "name": "hythe", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "waiting": { "reason": "ErrImageNeverPull", "message": "it is not there" } },
    }] } });
    pods.patch_status("docker-registry-1", &PatchParams::default(), &Patch::Merge(waiting)).await.unwrap();
    let error =
        apply(&access, &options, false, Duration::from_mins(1), &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("ErrImageNeverPull: it is not there"), "{error}");

    let replicas = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "docker-registry" },
        "spec": { "replicas": 0 },
    });
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client.clone(), namespace);
    let params =
        PatchParams { field_manager: Some("kubectl".to_owned()), force: true, ..PatchParams::default() };
    deployments.patch("docker-registry", &params, &Patch::Apply(replicas)).await.unwrap();
    let Err(DeployError::Api(ApiError::Conflict { owners, .. })) = applied(&access, &options, false).await
    else {
        panic!("the field was taken")
    };
    assert_eq!(owners[0].field, "spec.replicas");
    applied(&access, &options, true).await.unwrap();

    let foreign = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "theirs" }, "spec": { "ports": [{ "port": 80 }] },
    });
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(client, namespace);
    services.patch("theirs", &params, &Patch::Apply(foreign)).await.unwrap();
    let mut target = options.target.clone();
    target.name = "theirs".parse().unwrap();
    let error = applied(&access, &DeployOptions { target, ..options.clone() }, true).await.unwrap_err();
    assert!(matches!(error, DeployError::Api(ApiError::NotOurs { .. })), "{error}");
    remove(&access, &options.target, true, &mut |_| {}).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn an_object_that_the_cluster_refuses_is_reported_before_anything_is_applied() {
    let access = access().await;
    let options = DeployOptions { node_port: Some(80), ..options("refused") };
    let error = applied(&access, &options, false).await.unwrap_err().to_string();
    assert!(error.contains("docker-registry-nodeport") && error.contains("port"), "{error}");
    assert!(matches!(status(&access, &options.target).await, Err(DeployError::Absent(_))));

    // The error for a port of another Service names that Service and a free port.
    let first = DeployOptions { node_port: Some(31777), ..self::options("first") };
    applied(&access, &first, false).await.unwrap();
    let second = DeployOptions { node_port: Some(31777), ..self::options("second") };
    let error = applied(&access, &second, false).await.unwrap_err().to_string();
    let holder = format!("the Service {}/docker-registry-nodeport has this port", first.target.namespace);
    assert!(error.contains(&holder) && error.contains("`hythe deploy --node-port 31778`"), "{error}");
    remove(&access, &first.target, true, &mut |_| {}).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn a_claim_and_a_configmap_of_other_names_are_found_again() {
    let access = access().await;
    let named = DeployOptions {
        claim: Some("registry-storage".parse().unwrap()),
        config_map: Some("registry-config".parse().unwrap()),
        ..options("named")
    };
    let first = applied(&access, &named, false).await.unwrap();
    let made = |name: &str| first.iter().any(|(object, _)| object.ends_with(name));
    assert!(made("/registry-storage") && made("/registry-config"), "{first:?}");
    // Later runs find them without the options, even when only the claim is left.
    let unnamed = DeployOptions { claim: None, config_map: None, ..named.clone() };
    let again = applied(&access, &unnamed, false).await.unwrap();
    assert!(again.iter().all(|(_, change)| *change == Change::Unchanged), "{again:?}");
    let removed = remove(&access, &named.target, false, &mut |_| {}).await.unwrap();
    assert!(removed.objects.iter().any(|object| object.name == "registry-config"), "{removed:?}");
    assert!(
        matches!(&removed.left[0], Left::Claim(object) if object.name == "registry-storage"),
        "{removed:?}"
    );
    let back = applied(&access, &unnamed, false).await.unwrap();
    assert!(
        back.iter()
            .any(|(object, change)| object.ends_with("/registry-storage") && *change == Change::Unchanged),
        "{back:?}"
    );
    remove(&access, &named.target, true, &mut |_| {}).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster's API"]
async fn an_error_names_the_missing_right_of_a_user() {
    let files = [kubeconfig("HYTHE_TEST_KUBECONFIG_OF_NOBODY")];
    let access = Access::from_files(&files, None).await.unwrap();
    let error = Hosting::default().publish(&access, false).await.unwrap_err();
    assert!(matches!(error, ApiError::Forbidden { .. }), "{error:?}");
    assert!(
        error.to_string().contains("may not get ConfigMap kube-public/local-registry-hosting"),
        "{error}"
    );

    let text = std::fs::read_to_string(kubeconfig(NEEDS)).unwrap();
    let wrong = Access::from_text(&text.replace("token: ", "token: x"), None).await.map(drop).unwrap_err();
    assert!(matches!(wrong, ApiError::Unauthorized { .. }), "{wrong:?}");
    let closed = Access::from_text(&text, Some("https://127.0.0.1:9")).await.map(drop).unwrap_err();
    assert!(matches!(closed, ApiError::Unreachable { .. }), "{closed:?}");
}
