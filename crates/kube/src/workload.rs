//! Workloads of users: changes the image of one, restarts one, and waits until its Pods are replaced.

mod change;
mod error;
mod name;
mod rollout;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use kube::Api;
use kube::api::{ApiResource, DynamicObject};

use crate::api::{Access, ApiError};

pub use change::{ImageChange, RESTARTED_AT};
pub use error::WorkloadError;
pub use name::{WorkloadKind, WorkloadName, WorkloadNameError};
pub use rollout::Rolled;

/// A workload in a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Workload {
    access: Access,
    namespace: String,
    kind: WorkloadKind,
    name: String,
}

impl Workload {
    /// The workload of this name. Its namespace is the name's own, else `namespace`, else that of the context.
    pub fn new(access: &Access, name: &WorkloadName, namespace: Option<&str>) -> Self {
        let namespace = name.namespace.as_deref().or(namespace).unwrap_or(access.namespace()).to_owned();
        Self { access: access.clone(), namespace, kind: name.kind, name: name.name.clone() }
    }

    /// Its name in messages: `Deployment default/app`.
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }

    fn api(&self) -> Api<DynamicObject> {
        let resource = match self.kind {
            WorkloadKind::Deployment => ApiResource::erase::<Deployment>(&()),
            WorkloadKind::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            WorkloadKind::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
        };
        self.access.namespaced_with(&self.namespace, &resource)
    }

    async fn read(&self) -> Result<DynamicObject, WorkloadError> {
        let api = self.api();
        let found = self.access.find(|| self.title(), api.get(&self.name)).await?;
        found.ok_or_else(|| WorkloadError::Absent {
            what: self.title(),
            context: self.access.context().to_owned(),
        })
    }

    /// Asks for the workload; an error if it does not exist.
    pub async fn check(&self) -> Result<(), WorkloadError> {
        self.read().await.map(drop)
    }

    async fn patch(&self, body: serde_json::Value) -> Result<DynamicObject, ApiError> {
        use crate::api::{FIELD_MANAGER, Verb};
        use kube::api::{Patch, PatchParams};

        let (api, patch) = (self.api(), Patch::Strategic(body));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.access.ask(Verb::Patch, || self.title(), api.patch(&self.name, &params, &patch)).await
    }
}
