//! Why a Pod's images are not pulled: what kubelet reported, and what that means.

use hythe_kube::pod::{PodImages, Waiting};
use hythe_oci::ImageName;

use super::{Check, Id, explain};

/// The check of whether the Pod is on a node.
pub(super) fn placed(images: &PodImages, subject: &str, cluster: &str) -> Check {
    let phase = &images.phase;
    match &images.node {
        Some(node) => Check::good(Id::PodFound, subject, format!("{phase} on {node} of {cluster}")),
        None => Check::bad(Id::PodFound, subject, format!("{phase}, on no node of {cluster}"))
            .because("Kubernetes has not put the Pod on a node, so no image has been pulled yet")
            .fixed_by("run kubectl describe pod, which says why"),
    }
}

/// The check of a Pod without a container that waits for its image: the images are there, or still being pulled.
pub(super) fn quiet(images: &PodImages, subject: &str) -> Check {
    if images.are_there {
        return Check::good(Id::PodImage, subject, "every container has its image");
    }
    let last = images.events.last().map_or("no event", String::as_str);
    Check::unknown(
        Id::PodImage,
        subject,
        format!("the node does not have all images of the Pod yet; the last event: {last}"),
    )
    .fixed_by("wait; kubectl describe pod shows new events")
}

/// What kubelet reported about an image. Between two tries the status does not have the reason; the event does.
fn said<'a>(images: &'a PodImages, waiting: &'a Waiting) -> &'a str {
    match images.failure(&waiting.image) {
        Some(event) if explain(&waiting.message).is_none() => event,
        _ => &waiting.message,
    }
}

/// The check of a container that waits for its image.
pub(super) fn judge(
    images: &PodImages,
    subject: &str,
    waiting: &Waiting,
    (cluster, port): (&str, u16),
) -> Check {
    let said = said(images, waiting);
    let evidence = format!("{} ({}): {}: {said}", waiting.container, waiting.image, waiting.reason);
    let check = Check::bad(Id::PodImage, subject, evidence);
    match waiting.reason.as_str() {
        "InvalidImageName" => match waiting.image.parse::<ImageName>() {
            Err(error) => check.because(error.to_string()).fixed_by("correct the name in the Pod's manifest"),
            Ok(_) => check
                .because("kubelet does not take the image's name, although hythe can read it")
                .fixed_by("write the name as HOST:PORT/repository:tag in the Pod's manifest"),
        },
        "ErrImageNeverPull" => check
            .because("imagePullPolicy is Never, and the node does not have the image")
            .fixed_by("set imagePullPolicy: IfNotPresent"),
        _ => match explain(said) {
            Some(symptom) => check
                .because(format!("{} (symptom {})", symptom.cause, symptom.number))
                .fixed_by(symptom.fix_in(cluster, port).replace("IMAGE", &waiting.image)),
            None => check.because("kubelet failed to pull; its message shows no known symptom").fixed_by(
                "correct what the checks of the image below find; kubectl describe pod shows new events",
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(reason: &str, message: &str) -> Waiting {
        Waiting {
            container: "main".to_owned(),
            image: "localhost:5001/app".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    fn found(events: &[&str]) -> PodImages {
        let events = events.iter().map(|text| (*text).to_owned()).collect();
        PodImages { phase: "Pending".to_owned(), events, ..PodImages::default() }
    }

    #[test]
    fn a_waiting_container_is_explained_by_its_event() {
        let event = "Failed to pull image \"localhost:5001/app\": failed to do request: Head \
            \"http://localhost:5001/v2/app/manifests/latest\": dial tcp [::1]:5001: connect: connection refused";
        for (message, events) in
            [("Back-off pulling image \"localhost:5001/app\"", &[event][..]), (event, &[])]
        {
            let waiting = waiting("ImagePullBackOff", message);
            let check = judge(&found(events), "Pod default/app", &waiting, ("dev", 5001));
            assert!(check.cause.as_deref().unwrap().ends_with("(symptom 1)"), "{check}");
            assert!(check.evidence.contains("connection refused"), "{check}");
        }
    }

    #[test]
    fn a_pod_that_waits_for_another_reason_is_reported_with_that_reason() {
        let never = waiting("ErrImageNeverPull", "not present");
        let check = judge(&found(&[]), "p", &never, ("dev", 5001));
        assert!(check.cause.unwrap().contains("imagePullPolicy is Never"));
        for (reason, message) in
            [("ErrImagePull", "no words that hythe knows"), ("InvalidImageName", "refused")]
        {
            let check = judge(&found(&[]), "p", &waiting(reason, message), ("dev", 5001));
            assert!(check.cause.is_some() && check.fix.is_some(), "{check}");
        }
        let pulling = found(&["Pulling image \"localhost:5001/app\""]);
        assert!(quiet(&pulling, "p").to_string().contains("the last event: Pulling image"));
    }
}
