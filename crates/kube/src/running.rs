//! The images that the Pods of a cluster run, with the platforms of their nodes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use kube::api::ListParams;

use crate::api::{Access, ApiError, Verb};

/// Objects in one answer of the API.
const PAGE: u32 = 500;

/// An image that Pods run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningImage {
    /// The digest that a node pulled under the name, if the node reports one: `sha256:…`.
    pub digest: Option<String>,
    /// The platforms of the nodes that run it, such as `linux/amd64`.
    pub platforms: BTreeSet<String>,
}

/// The images that the Pods of all namespaces run, by the names in their specifications. Kubelet reports static Pods too.
pub async fn running_images(access: &Access) -> Result<BTreeMap<String, RunningImage>, ApiError> {
    // A user who may not list nodes gets the images without platforms.
    let platforms = platforms(access).await.unwrap_or_default();
    let mut images = BTreeMap::new();
    let pods = access.cluster_wide::<Pod>();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let what = || "Pods in all namespaces".to_owned();
        let page = access.ask(Verb::List, what, pods.list(&params)).await?;
        page.items.iter().for_each(|pod| add(&mut images, pod, &platforms));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(images),
        }
    }
}

/// The platform of each node.
async fn platforms(access: &Access) -> Result<HashMap<String, String>, ApiError> {
    let (nodes, params) = (access.cluster_wide::<Node>(), ListParams::default());
    let list = access.ask(Verb::List, || "Nodes".to_owned(), nodes.list(&params)).await?;
    let platform = |node: Node| {
        let info = node.status?.node_info?;
        Some((node.metadata.name?, format!("{}/{}", info.operating_system, info.architecture)))
    };
    Ok(list.items.into_iter().filter_map(platform).collect())
}

/// Adds the images of a Pod. A Pod that has ended runs none.
fn add(images: &mut BTreeMap<String, RunningImage>, pod: &Pod, platforms: &HashMap<String, String>) {
    let (Some(spec), status) = (&pod.spec, pod.status.as_ref()) else { return };
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    if ["Succeeded", "Failed"].contains(&phase) {
        return;
    }
    let platform = spec.node_name.as_ref().and_then(|node| platforms.get(node));
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let named = containers.map(|container| (&container.name, container.image.as_ref()));
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let named = named.chain(ephemeral.map(|container| (&container.name, container.image.as_ref())));
    for (container, image) in named.filter_map(|(name, image)| Some((name, image?))) {
        let entry = images.entry(image.clone()).or_default();
        entry.platforms.extend(platform.cloned());
        if entry.digest.is_none() {
            entry.digest = statuses(pod).find(|status| status.name == *container).and_then(pulled);
        }
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let lists = status.map(|status| {
        [
            status.init_container_statuses.as_ref(),
            status.container_statuses.as_ref(),
            status.ephemeral_container_statuses.as_ref(),
        ]
    });
    lists.into_iter().flatten().flatten().flatten()
}

/// The digest in an image's id, such as `docker.io/library/redis@sha256:…`. The id of an image that was loaded into the
/// node, and not pulled, has none.
fn pulled(status: &ContainerStatus) -> Option<String> {
    status.image_id.rsplit_once('@').map(|(_, digest)| digest.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn images(pods: &Value) -> BTreeMap<String, RunningImage> {
        let platforms = HashMap::from([("w".to_owned(), "linux/arm64".to_owned())]);
        let mut images = BTreeMap::new();
        for pod in pods.as_array().unwrap() {
            add(&mut images, &serde_json::from_value(pod.clone()).unwrap(), &platforms);
        }
        images
    }

    #[test]
    fn every_container_of_a_living_pod_counts_with_the_digest_that_its_node_pulled() {
        let status = |name: &str, id: &str| json!({ "name": name, "image": "x", "imageID": id, "ready": true, "restartCount": 0 });
        let found = images(&json!([
            {
                "spec": {
                    "nodeName": "w",
                    "initContainers": [{ "name": "init", "image": "busybox" }],
                    "containers": [{ "name": "main", "image": "redis:7" }, { "name": "loaded", "image": "own:1" }],
                    "ephemeralContainers": [{ "name": "debug", "image": "tools" }],
                },
                "status": {
                    "phase": "Running",
                    "containerStatuses": [status("main", "docker.io/library/redis@sha256:aa"), status("loaded", "sha256:bb")],
                },
            },
            { "spec": { "containers": [{ "name": "main", "image": "job" }] }, "status": { "phase": "Succeeded" } },
            { "spec": { "containers": [{ "name": "main", "image": "pending" }] } },
        ]));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["busybox", "own:1", "pending", "redis:7", "tools"]);
        assert_eq!(found["redis:7"].digest.as_deref(), Some("sha256:aa"));
        assert_eq!(
            (&found["own:1"].digest, found["redis:7"].platforms.first().map(String::as_str)),
            (&None, Some("linux/arm64"))
        );
        assert!(found["pending"].platforms.is_empty());
    }
}
