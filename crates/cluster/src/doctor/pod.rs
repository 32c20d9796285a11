//! Why a Pod's images are not pulled: what kubelet reported, and what that means.

use hythe_kube::api::{Access, ApiError, Verb};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;

use super::image_name::ImageName;
use super::{Check, Id, explain};

/// A container that waits for its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) container: String,
    pub(super) image: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// A Pod and the messages of its events.
pub(super) struct Found {
    pod: Pod,
    events: Vec<String>,
}

/// The Pod with this name, if it exists.
pub(super) async fn find(access: &Access, namespace: &str, name: &str) -> Result<Option<Found>, ApiError> {
    let pods = access.namespaced::<Pod>(namespace);
    let Some(pod) = access.find(|| format!("Pod {namespace}/{name}"), pods.get_opt(name)).await?.flatten()
    else {
        return Ok(None);
    };
    let params = ListParams::default().fields(&format!("involvedObject.kind=Pod,involvedObject.name={name}"));
    let events = access.namespaced::<Event>(namespace);
    let what = || format!("Events in {namespace}");
    // A user who may read Pods and not events still gets what the Pod itself says.
    let events =
        access.ask(Verb::List, what, events.list(&params)).await.map(|list| list.items).unwrap_or_default();
    Ok(Some(Found { pod, events: events.into_iter().filter_map(|event| event.message).collect() }))
}

impl Found {
    /// The node that the Pod is on.
    pub(super) fn node(&self) -> Option<&str> {
        self.pod.spec.as_ref()?.node_name.as_deref()
    }

    /// The check of whether the Pod is on a node.
    pub(super) fn check(&self, subject: &str, cluster: &str) -> Check {
        let phase = self.pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
        match self.node() {
            Some(node) => Check::good(Id::PodFound, subject, format!("{phase} on {node} of {cluster}")),
            None => Check::bad(Id::PodFound, subject, format!("{phase}, on no node of {cluster}"))
                .because("Kubernetes has not put the Pod on a node, so no image has been pulled yet")
                .fixed_by("run kubectl describe pod, which says why"),
        }
    }

    /// The containers that wait for their images.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        const REASONS: [&str; 5] = [
            "ErrImagePull",
            "ImagePullBackOff",
            "InvalidImageName",
            "ErrImageNeverPull",
            "RegistryUnavailable",
        ];
        let status = self.pod.status.as_ref();
        let init = status.and_then(|status| status.init_container_statuses.as_ref());
        let main = status.and_then(|status| status.container_statuses.as_ref());
        let all = [init, main].into_iter().flatten().flatten();
        let waiting = all.filter_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            let reason = waiting.reason.clone().filter(|reason| REASONS.contains(&reason.as_str()))?;
            Some(Waiting {
                container: container.name.clone(),
                // The image's name as the Pod's specification has it: the name in the status is completed, or empty.
                image: self.asked(&container.name).unwrap_or_else(|| container.image.clone()),
                message: waiting.message.clone().unwrap_or_default(),
                reason,
            })
        });
        waiting.collect()
    }

    /// The check of a Pod without a container that waits for its image: the images are there, or still being pulled.
    pub(super) fn quiet(&self, subject: &str) -> Check {
        let statuses = self.pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        let mut statuses = statuses.into_iter().flatten();
        let is_there =
            statuses.clone().next().is_some() && statuses.all(|status| !status.image_id.is_empty());
        if is_there {
            return Check::good(Id::PodImage, subject, "every container has its image");
        }
        let last = self.events.last().map_or("no event", String::as_str);
        Check::unknown(
            Id::PodImage,
            subject,
            format!("the node does not have all images of the Pod yet; the last event: {last}"),
        )
        .fixed_by("wait; kubectl describe pod shows new events")
    }

    fn asked(&self, container: &str) -> Option<String> {
        let spec = self.pod.spec.as_ref()?;
        let init = spec.init_containers.iter().flatten();
        init.chain(&spec.containers).find(|known| known.name == container)?.image.clone()
    }

    /// What kubelet reported about an image. Between two tries the status does not have the reason; the event does.
    fn said(&self, waiting: &Waiting) -> String {
        let event = self
            .events
            .iter()
            .rfind(|text| text.contains("Failed to pull image") && text.contains(&waiting.image));
        match event {
            Some(event) if explain(&waiting.message).is_none() => event.clone(),
            _ => waiting.message.clone(),
        }
    }

    /// The check of a container that waits for its image.
    pub(super) fn explain(&self, subject: &str, waiting: &Waiting, (cluster, port): (&str, u16)) -> Check {
        let said = self.said(waiting);
        let evidence = format!("{} ({}): {}: {said}", waiting.container, waiting.image, waiting.reason);
        let check = Check::bad(Id::PodImage, subject, evidence);
        match waiting.reason.as_str() {
            "InvalidImageName" => match waiting.image.parse::<ImageName>() {
                Err(error) => {
                    check.because(error.to_string()).fixed_by("correct the name in the Pod's manifest")
                }
                Ok(_) => check,
            },
            "ErrImageNeverPull" => check
                .because("imagePullPolicy is Never, and the node does not have the image")
                .fixed_by("set imagePullPolicy: IfNotPresent"),
            _ => match explain(&said) {
                Some(symptom) => check
                    .because(format!("{} (symptom {})", symptom.cause, symptom.number))
                    .fixed_by(symptom.fix_in(cluster, port).replace("IMAGE", &waiting.image)),
                None => check,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(reason: &str, message: &str, events: &[&str]) -> Found {
        let pod = json!({
            "metadata": { "name": "app" },
            "spec": { "nodeName": "w", "containers": [{ "name": "main", "image": "localhost:5001/app" }] },
            "status": { "phase": "Pending", "containerStatuses": [{
                "name": "main", "image": "localhost:5001/app:latest", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": message } },
            }] },
        });
        let events = events.iter().map(|text| (*text).to_owned()).collect();
        Found { pod: serde_json::from_value(pod).unwrap(), events }
    }

    #[test]
    fn a_waiting_container_is_explained_by_its_event() {
        let event = "Failed to pull image \"localhost:5001/app\": failed to do request: Head \
            \"http://localhost:5001/v2/app/manifests/latest\": dial tcp [::1]:5001: connect: connection refused";
        for (message, events) in
            [("Back-off pulling image \"localhost:5001/app\"", &[event][..]), (event, &[])]
        {
            let found = found("ImagePullBackOff", message, events);
            let waiting = found.waiting();
            assert_eq!((waiting.len(), waiting[0].image.as_str()), (1, "localhost:5001/app"));
            let check = found.explain("Pod default/app", &waiting[0], ("dev", 5001));
            assert!(check.cause.as_deref().unwrap().ends_with("(symptom 1)"), "{check}");
            assert!(check.evidence.contains("connection refused"), "{check}");
        }
    }

    #[test]
    fn a_pod_that_waits_for_another_reason_is_reported_with_that_reason() {
        let never = found("ErrImageNeverPull", "not present", &[]);
        let check = never.explain("p", &never.waiting()[0], ("dev", 5001));
        assert!(check.cause.unwrap().contains("imagePullPolicy is Never"));
        let pulling = found("ContainerCreating", "", &["Pulling image \"localhost:5001/app\""]);
        assert!(pulling.waiting().is_empty());
        assert!(pulling.quiet("p").to_string().contains("the last event: Pulling image"));
        assert!(found("CrashLoopBackOff", "back-off", &[]).waiting().is_empty());
    }
}
