//! Asks the cluster for the state of a deployed registry.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{PodTemplateSpec, Service};

use super::existing::Claim;
use super::{DeployError, PodState, Target, Workload, existing, pods};
use crate::api::{Access, ApiError, Kind, Object};

/// The state of a deployed registry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The workload that runs the registry's Pod.
    #[serde(flatten)]
    pub workload: Object,
    /// The registry's image.
    pub image: String,
    /// Whether a Pod of the registry is ready.
    pub ready: bool,
    /// The registry's Pods.
    pub pods: Vec<PodState>,
    /// Where the registry's data is.
    pub data: Stored,
    /// The registry's Services.
    pub services: Vec<ServiceState>,
}

/// Where the data is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "in")]
pub enum Stored {
    /// In a claim.
    Claim {
        /// The claim's name.
        name: String,
        /// `Bound` or `Pending`; none if the claim does not exist.
        phase: Option<String>,
        /// The claim's size.
        size: String,
        /// The claim's storage class.
        class: Option<String>,
    },
    /// In a folder of the node.
    Folder {
        /// The folder's path.
        path: String,
    },
}

/// A Service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ServiceState {
    /// The Service's name.
    pub name: String,
    /// The Service's address in the cluster.
    pub address: Option<String>,
    /// The Service's port at that address.
    pub port: Option<i32>,
    /// The Service's port on every node.
    #[serde(rename = "nodePort", skip_serializing_if = "Option::is_none")]
    pub node_port: Option<i32>,
}

/// Asks the cluster for the state of a registry.
pub async fn status(access: &Access, target: &Target) -> Result<Status, DeployError> {
    let existing = existing::read(access, target).await?;
    let Some(running) = existing.workload else { return Err(DeployError::Absent(target.clone())) };
    let workload = running.kind;
    let data = match (running.folder, existing.claim) {
        (Some(path), _) => Stored::Folder { path },
        (None, Some(Claim { name, phase, size, class })) => Stored::Claim { name, phase, size, class },
        (None, None) => {
            let name = running.claim.unwrap_or_else(|| target.name.as_str().to_owned());
            Stored::Claim { name, phase: None, size: String::new(), class: None }
        }
    };
    let pods: Vec<PodState> = pods::list(access, target).await?.iter().map(pods::state).collect();
    Ok(Status {
        workload: target.object(workload.kind()),
        image: image(access, target, workload).await?,
        ready: pods.iter().any(|pod| pod.ready),
        pods,
        data,
        services: services(access, target).await?,
    })
}

async fn image(access: &Access, target: &Target, workload: Workload) -> Result<String, ApiError> {
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    let object = target.object(workload.kind());
    let what = || object.to_string();
    let template: Option<PodTemplateSpec> = match workload {
        Workload::Deployment => {
            let found = access.find(what, access.namespaced::<Deployment>(namespace).get(name)).await?;
            found.and_then(|found| found.spec).map(|spec| spec.template)
        }
        Workload::StatefulSet => {
            let found = access.find(what, access.namespaced::<StatefulSet>(namespace).get(name)).await?;
            found.and_then(|found| found.spec).map(|spec| spec.template)
        }
    };
    let containers = template.and_then(|template| template.spec).map(|spec| spec.containers);
    let image = containers.into_iter().flatten().find_map(|container| container.image);
    Ok(image.unwrap_or_default())
}

/// The Services of a registry: the Service for Pods and that of the node port.
pub async fn services(access: &Access, target: &Target) -> Result<Vec<ServiceState>, ApiError> {
    let mut states = Vec::new();
    for object in [target.object(Kind::Service), target.node_port_service()] {
        let service = access.namespaced::<Service>(target.namespace.as_str());
        let Some(found) = access.find(|| object.to_string(), service.get(&object.name)).await? else {
            continue;
        };
        let spec = found.spec.unwrap_or_default();
        let port = spec.ports.unwrap_or_default().into_iter().next();
        states.push(ServiceState {
            name: object.name,
            address: spec.cluster_ip,
            port: port.as_ref().map(|port| port.port),
            node_port: port.and_then(|port| port.node_port),
        });
    }
    Ok(states)
}
