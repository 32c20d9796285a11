//! A Pod's images: the containers that wait for theirs, and what kubelet reported.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;

use crate::api::{Access, ApiError, Verb};

/// The reasons for which a container waits for its image.
const REASONS: [&str; 5] =
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"];

/// A container that waits for its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The container's name.
    pub container: String,
    /// The image's name, as the Pod's specification has it.
    pub image: String,
    /// Kubernetes' word for the reason, such as `ErrImagePull`.
    pub reason: String,
    /// Kubelet's message; empty if there is none.
    pub message: String,
}

/// What is known about a Pod's images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodImages {
    /// The node that the Pod is on.
    pub node: Option<String>,
    /// The Pod's phase, such as `Pending`.
    pub phase: String,
    /// The containers that wait for their images.
    pub waiting: Vec<Waiting>,
    /// Whether every container has its image.
    pub are_there: bool,
    /// The messages of the Pod's events.
    pub events: Vec<String>,
}

impl PodImages {
    /// The images of the Pod with this name, if it exists.
    pub async fn find(access: &Access, namespace: &str, name: &str) -> Result<Option<Self>, ApiError> {
        let pods = access.namespaced::<Pod>(namespace);
        let what = || format!("Pod {namespace}/{name}");
        let Some(pod) = access.find(what, pods.get_opt(name)).await?.flatten() else { return Ok(None) };
        let params =
            ListParams::default().fields(&format!("involvedObject.kind=Pod,involvedObject.name={name}"));
        let events = access.namespaced::<Event>(namespace);
        let what = || format!("Events in {namespace}");
        // A user who may read Pods and not events still gets what the Pod itself says.
        let events = access
            .ask(Verb::List, what, events.list(&params))
            .await
            .map(|list| list.items)
            .unwrap_or_default();
        Ok(Some(Self::of(&pod, events.into_iter().filter_map(|event| event.message).collect())))
    }

    /// The last event in which kubelet says that it failed to pull an image.
    pub fn failure(&self, image: &str) -> Option<&str> {
        let events = self.events.iter().map(String::as_str);
        events.rev().find(|text| text.contains("Failed to pull image") && text.contains(image))
    }

    fn of(pod: &Pod, events: Vec<String>) -> Self {
        let status = pod.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_ref());
        let mut main = statuses.into_iter().flatten();
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
        Self {
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            phase: phase.to_owned(),
            waiting: waiting(pod),
            are_there: main.clone().next().is_some() && main.all(|status| !status.image_id.is_empty()),
            events,
        }
    }
}

fn waiting(pod: &Pod) -> Vec<Waiting> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    let waiting = [init, main].into_iter().flatten().flatten().filter_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone().filter(|reason| REASONS.contains(&reason.as_str()))?;
        Some(Waiting {
            container: container.name.clone(),
            // The image's name as the Pod's specification has it: the name in the status is completed, or empty.
            image: asked(pod, &container.name).unwrap_or_else(|| container.image.clone()),
            message: waiting.message.clone().unwrap_or_default(),
            reason,
        })
    });
    waiting.collect()
}

/// The image that the Pod's specification asks for.
fn asked(pod: &Pod, container: &str) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let init = spec.init_containers.iter().flatten();
    init.chain(&spec.containers).find(|known| known.name == container)?.image.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn images(reason: &str, message: &str) -> PodImages {
        let pod = json!({
            "metadata": { "name": "app" },
            "spec": { "nodeName": "w", "containers": [{ "name": "main", "image": "localhost:5001/app" }] },
            "status": { "phase": "Pending", "containerStatuses": [{
                "name": "main", "image": "localhost:5001/app:latest", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": message } },
            }] },
        });
        PodImages::of(&serde_json::from_value(pod).unwrap(), Vec::new())
    }

    #[test]
    fn a_container_waits_for_the_image_that_the_specification_names() {
        let found = images("ImagePullBackOff", "Back-off");
        assert_eq!(
            (found.node.as_deref(), found.phase.as_str(), found.are_there),
            (Some("w"), "Pending", false)
        );
        let waiting = &found.waiting[0];
        assert_eq!((found.waiting.len(), waiting.container.as_str()), (1, "main"));
        assert_eq!((waiting.image.as_str(), waiting.message.as_str()), ("localhost:5001/app", "Back-off"));
        assert_eq!(images("ErrImageNeverPull", "not present").waiting.len(), 1);
    }

    #[test]
    fn a_container_that_waits_for_something_else_does_not_wait_for_its_image() {
        assert!(images("ContainerCreating", "").waiting.is_empty());
        assert!(images("CrashLoopBackOff", "back-off").waiting.is_empty());
    }
}
