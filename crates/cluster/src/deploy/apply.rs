//! A registry brought into a cluster, or changed there.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Service};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::rollout::{self, Rollout};
use super::{DEFAULT_NODE_PORT, Data, Options, PodState, Quantity, StorageClass, Target, existing, render};
use crate::api::{Access, ApiError, Change, Kind, Object, Verb, is_ours};

/// Why a registry is not deployed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The cluster does not do it.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A claim never shrinks.
    #[error(
        "the claim {claim} has {has}, and a claim cannot shrink to {asked}. Leave --size out to keep it; for a \
         smaller one, remove the registry with its data: `hythe deploy remove --data`"
    )]
    Shrinks {
        /// The claim.
        claim: String,
        /// Its size.
        has: Quantity,
        /// The size that was asked for.
        asked: Quantity,
    },
    /// A claim keeps its storage class.
    #[error(
        "the claim {claim} is of the storage class `{has}`, and cannot become one of `{asked}`. Leave --storage-class \
         out to keep it, or remove the registry with its data: `hythe deploy remove --data`"
    )]
    OtherClass {
        /// The claim.
        claim: String,
        /// Its class.
        has: String,
        /// The class that was asked for.
        asked: StorageClass,
    },
    /// The data would stay where it is, and the registry begin without it.
    #[error(
        "the registry's data is in {from}; with {to} it would begin empty. Leave the option out to keep the data, or \
         remove the registry first: `hythe deploy remove`"
    )]
    Moves {
        /// Where the data is.
        from: String,
        /// What was asked for.
        to: String,
    },
    /// The port of the nodes is not to be had.
    #[error(
        "{what} cannot have port {port} of the nodes: {}. Choose another one: `hythe deploy --node-port {}`; or do \
         without: `hythe deploy --node-port 0`",
        .by.as_ref().map_or_else(|| .message.clone(), |by| format!("the Service {by} has it")),
        other_port(*.port)
    )]
    NodePort {
        /// The Service.
        what: Object,
        /// The port.
        port: u16,
        /// The Service that has it, if one has.
        by: Option<String>,
        /// What the cluster said.
        message: String,
    },
    /// It does not get ready.
    #[error("{what} is not ready after {} s: {}. `hythe deploy status` shows how it is, `hythe deploy logs` its log", .waited.as_secs(), .reasons.join("; "))]
    NotReady {
        /// The workload.
        what: Object,
        /// How long it was waited for.
        waited: Duration,
        /// What its Pods and the cluster say.
        reasons: Vec<String>,
    },
    /// There is none.
    #[error(
        "there is no registry `{}` in the namespace `{}`: deploy it with `hythe deploy`, or name another one with \
         --namespace and --name", .0.name, .0.namespace
    )]
    Absent(Target),
    /// There is one, but nothing of it runs.
    #[error("the registry `{}` in the namespace `{}` has no Pod: `hythe deploy status` may say why", .0.name, .0.namespace)]
    NoPod(Target),
}

/// A port that may be free, in the range that clusters have by default.
fn other_port(port: u16) -> u16 {
    if (30000..32767).contains(&port) { port + 1 } else { DEFAULT_NODE_PORT }
}

/// What happens while a registry is deployed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An object was written.
    Applied {
        /// Which.
        object: Object,
        /// Whether it is new, or another than before.
        change: Change,
    },
    /// An object was removed.
    Removed(Object),
    /// A Pod is not as it was seen before.
    Pod(PodState),
    /// The data is in a folder of the node, and there are several nodes that the Pod may be put on next time.
    Unpinned {
        /// How many.
        nodes: usize,
    },
}

/// What was deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The options, with what was kept.
    pub options: Options,
    /// Each object, and what became of it.
    pub objects: Vec<(Object, Change)>,
}

/// Deploys, and waits until it serves. Everything is tried before anything is changed.
pub async fn apply(
    access: &Access,
    options: &Options,
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
            // Nothing can be tried in a namespace that is not there. One that is there stays its maker's.
            tell(&manifest.object, access.apply(manifest, force).await?);
        }
    }
    let mut removed = Vec::new();
    let other = options.workload.other();
    if existing.workload.as_ref().is_some_and(|running| running.kind == other) {
        let object = target.object(other.kind());
        access.delete(&object).await?;
        // The data folder has one server: the next waits for the end of this one.
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

/// A refusal of the node port's Service in the user's words, with the Service that has the port.
async fn node_port_refused(
    access: &Access,
    options: &Options,
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

/// How many nodes the Pod may be put on, if its data is on one of them only. Who may not list nodes is not warned.
async fn unpinned(access: &Access, options: &Options) -> Option<usize> {
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
