//! A Pod that shows whether kubelet pulls an image. The Pod need not run.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::api::{Access, ApiError, FIELD_MANAGER, MANAGED_BY, Verb};

const NAMESPACE: &str = "default";

/// A Pod that exists only for kubelet to pull its image.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    access: &'a Access,
    name: &'a str,
}

/// The state of a pull by kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Kubelet has not reported a result.
    Underway,
    /// Kubelet pulled the image.
    Done,
    /// Kubelet failed to pull the image, with this message.
    Failed(String),
}

impl<'a> Trial<'a> {
    /// A trial by a Pod of this name. [`Trial::start`] creates the Pod.
    pub fn new(access: &'a Access, name: &'a str) -> Self {
        Self { access, name }
    }

    /// Creates the Pod on a node.
    pub async fn start(&self, node: &str, image: &str) -> Result<(), ApiError> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": self.name, "labels": { MANAGED_BY.0: MANAGED_BY.1 } },
            "spec": {
                "nodeName": node,
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                // kubelet pulls the image without waiting for the cluster's network plugin, which this check is not
                // about.
                "hostNetwork": true,
                "tolerations": [{ "operator": "Exists" }],
                "containers": [{ "name": "probe", "image": image, "imagePullPolicy": "Always" }],
            },
        });
        let pods = self.access.namespaced::<Pod>(NAMESPACE);
        let params = PatchParams::apply(FIELD_MANAGER);
        let patch = Patch::Apply(&body);
        let request = pods.patch(self.name, &params, &patch);
        self.access.ask(Verb::Patch, || self.what(), request).await.map(drop)
    }

    /// Asks for the state of the pull.
    pub async fn pull(&self) -> Result<Pull, ApiError> {
        let pods = self.access.namespaced::<Pod>(NAMESPACE);
        let pod = self.access.ask(Verb::Get, || self.what(), pods.get(self.name)).await?;
        Ok(pull(&pod).unwrap_or(Pull::Underway))
    }

    /// Removes the Pod.
    pub async fn remove(&self) {
        let pods = self.access.namespaced::<Pod>(NAMESPACE);
        let params = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        let request = pods.delete(self.name, &params);
        // A Pod that this fails to delete never runs, and its label says that hythe made it.
        let _ = self.access.ask(Verb::Delete, || self.what(), request).await;
    }

    fn what(&self) -> String {
        format!("Pod {NAMESPACE}/{}", self.name)
    }
}

/// The result of the pull, as far as kubelet reported it.
fn pull(pod: &Pod) -> Option<Pull> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.first()?;
    let state = status.state.as_ref()?;
    if state.terminated.is_some() || state.running.is_some() || !status.image_id.is_empty() {
        return Some(Pull::Done);
    }
    let waiting = state.waiting.as_ref()?;
    match waiting.reason.as_deref() {
        Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "RegistryUnavailable") => {
            Some(Pull::Failed(waiting.message.clone().unwrap_or_default()))
        }
        // The image is on the node, and the probe's program does not exist: this is the expected end.
        Some(
            "CreateContainerError" | "RunContainerError" | "CreateContainerConfigError" | "CrashLoopBackOff",
        ) => Some(Pull::Done),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_cannot_run_shows_that_its_image_was_pulled() {
        let pod = |reason: &str, message: &str| -> Pod {
            serde_json::from_value(json!({ "status": { "containerStatuses": [{
                "name": "probe", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": message } },
            }] } }))
            .unwrap()
        };
        assert_eq!(pull(&pod("ContainerCreating", "")), None);
        assert_eq!(pull(&pod("CreateContainerError", "exec")), Some(Pull::Done));
        assert_eq!(pull(&pod("ErrImagePull", "no such host")), Some(Pull::Failed("no such host".to_owned())));
    }
}
