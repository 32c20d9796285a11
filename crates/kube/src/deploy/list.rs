//! Lists the registries that hythe deployed in a cluster.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::{ServiceState, Target, services};
use crate::api::{Access, ApiError, MANAGED_BY, Verb};

/// A registry in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// The registry's namespace and name.
    pub target: Target,
    /// The registry's Services.
    pub services: Vec<ServiceState>,
    /// Whether at least one of the registry's Pods is ready.
    pub is_running: bool,
}

/// The registries that `hythe deploy` created in a cluster, in all namespaces.
pub async fn list(access: &Access) -> Result<Vec<Deployed>, ApiError> {
    let labels = format!("app.kubernetes.io/name=hythe,{}={}", MANAGED_BY.0, MANAGED_BY.1);
    let params = ListParams::default().labels(&labels);
    let deployments: Api<Deployment> = access.cluster_wide();
    let sets: Api<StatefulSet> = access.cluster_wide();
    let asked = access.ask(Verb::List, || "Deployments".to_owned(), deployments.list(&params)).await?;
    let mut found: Vec<(String, String, i32)> = asked
        .iter()
        .map(|one| {
            let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
            (one.namespace().unwrap_or_default(), one.name_any(), ready)
        })
        .collect();
    let asked = access.ask(Verb::List, || "StatefulSets".to_owned(), sets.list(&params)).await?;
    found.extend(asked.iter().map(|one| {
        let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        (one.namespace().unwrap_or_default(), one.name_any(), ready)
    }));
    let mut deployed = Vec::new();
    for (namespace, name, ready) in found {
        // A name that hythe does not accept is not the name of a registry that hythe created.
        let (Ok(namespace), Ok(name)) = (namespace.parse(), name.parse()) else { continue };
        let target = Target { namespace, name };
        let services = services(access, &target).await?;
        deployed.push(Deployed { target, services, is_running: ready > 0 });
    }
    Ok(deployed)
}
