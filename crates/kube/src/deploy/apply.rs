//! Deploys a registry in a cluster, or changes a deployed one.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Service};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::rollout::{self, Rollout};
use super::{Data, DeployError, DeployOptions, Progress, existing, render};
use crate::api::{Access, ApiError, Change, Kind, Object, Verb, is_ours};

/// What was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The options, completed with what the deployed registry keeps.
    pub options: DeployOptions,
    /// Each object, and whether it changed.
    pub objects: Vec<(Object, Change)>,
}

/// Deploys the registry, and waits until it is ready. Every object is applied as a dry run before any is changed.
pub async fn apply(
    access: &Access,
    options: &DeployOptions,
    force: bool,
    timeout: Duration,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Applied, DeployError> {
    let existing = existing::read(access, &options.target).await?;
    let options = existing.settle(options)?;
    existing::require_ours(access, &options.config_object()).await?;
    let (target, manifests) = (&options.target, render(&options));
    let mut objects = Vec::new();
    let mut tell = |object: &Object, change: Change| {
        progress(Progress::Applied { object: object.clone(), change });
        objects.push((object.clone(), change));
    };
    for manifest in &manifests {
        if manifest.object.kind != Kind::Namespace {
            if let Err(error) = access.try_apply(manifest, force).await {
                return Err(node_port_refused(access, &options, &manifest.object, error).await);
            }
        } else if access.get(&manifest.object).await?.is_none() {
            // A dry run fails in a missing namespace, so hythe makes the namespace first. hythe does not apply an
            // existing one, which stays its maker's.
            tell(&manifest.object, access.apply(manifest, force).await?);
        }
    }
    let mut removed = Vec::new();
    let other = options.workload.other();
    if existing.workload.as_ref().is_some_and(|running| running.kind == other) {
        let object = target.object(other.kind());
        access.delete(&object).await?;
        // Only one server may use the data folder, so the new Pod waits for the end of the old one.
        rollout::wait_until_gone(access, target, &object, timeout).await?;
        removed.push(object);
    }
    let object = target.node_port_service();
    if options.node_port.is_none() && access.get(&object).await?.is_some_and(|found| is_ours(&found)) {
        access.delete(&object).await?;
        removed.push(object);
    }
    for manifest in manifests.iter().filter(|manifest| manifest.object.kind != Kind::Namespace) {
        tell(&manifest.object, access.apply(manifest, force).await?);
    }
    let former = existing.workload.and_then(|running| running.config_map);
    let former = former.map(|name| Object::new(Kind::ConfigMap, target.namespace.as_str(), &name));
    if let Some(former) = former.filter(|former| *former != options.config_object())
        && access.get(&former).await?.is_some_and(|found| is_ours(&found))
    {
        access.delete(&former).await?;
        removed.push(former);
    }
    for object in removed {
        progress(Progress::Removed(object));
    }
    if let Some(nodes) = unpinned(access, &options).await {
        progress(Progress::Unpinned { nodes });
    }
    Rollout { access, target, workload: options.workload }.wait(timeout, progress).await?;
    Ok(Applied { options, objects })
}

/// Turns a refusal of the node port's Service into an error that names the Service which has the port.
async fn node_port_refused(
    access: &Access,
    options: &DeployOptions,
    object: &Object,
    error: ApiError,
) -> DeployError {
    let (Some(port), ApiError::Refused { message, .. }) = (options.node_port, &error) else {
        return error.into();
    };
    if *object != options.target.node_port_service() || !message.contains("nodePort") {
        return error.into();
    }
    let services = access.cluster_wide::<Service>();
    let listed =
        access.ask(Verb::List, || "Services".to_owned(), services.list(&ListParams::default())).await;
    let has_port = |service: &Service| {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
        ports.iter().any(|found| found.node_port == Some(i32::from(port)))
    };
    let holder = listed.ok().and_then(|listed| listed.items.into_iter().find(has_port));
    let by = holder.map(|found| format!("{}/{}", found.namespace().unwrap_or_default(), found.name_any()));
    DeployError::NodePort { what: object.clone(), port, by, message: message.clone() }
}

/// The number of nodes that may run the Pod, if that is several and the data is in a folder of one node. A user who may
/// not list nodes gets no warning.
async fn unpinned(access: &Access, options: &DeployOptions) -> Option<usize> {
    if !matches!(options.data, Data::HostPath(_)) || !options.nodes.is_empty() {
        return None;
    }
    let nodes = access.cluster_wide::<Node>();
    let nodes =
        access.ask(Verb::List, || "Nodes".to_owned(), nodes.list(&ListParams::default())).await.ok()?;
    let usable = nodes.iter().filter(|node| {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
        let kept_free = taints.into_iter().flatten().any(|taint| taint.effect != "PreferNoSchedule");
        !kept_free && !node.name_any().is_empty()
    });
    Some(usable.count()).filter(|count| *count > 1)
}
