//! Changes the template of a workload's Pods.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{Workload, WorkloadError, WorkloadKind};

/// The annotation whose change restarts a workload, as `kubectl rollout restart` writes it.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// The lists of containers in a Pod's specification.
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// The image of a container, before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ImageChange {
    /// The workload, such as `Deployment default/app`.
    pub workload: String,
    /// The container.
    pub container: String,
    /// The image before.
    pub from: String,
    /// The image after.
    pub to: String,
    #[serde(skip)]
    list: &'static str,
}

impl ImageChange {
    /// Whether the container has another image than before.
    pub fn is_change(&self) -> bool {
        self.from != self.to
    }
}

/// A container of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Container {
    list: &'static str,
    name: String,
    image: String,
}

impl Workload {
    /// Finds the container to change, and changes nothing: the one of that name, else the only one, else the only one whose
    /// image is of the same repository name.
    pub async fn plan_image(
        &self,
        container: Option<&str>,
        image: &str,
    ) -> Result<ImageChange, WorkloadError> {
        let object = self.read().await?;
        let found = choose(&containers(&object), container, image).map_err(|there| match container {
            Some(container) => {
                WorkloadError::NoContainer { what: self.title(), container: container.to_owned(), there }
            }
            None => WorkloadError::WhichContainer {
                what: self.title(),
                there,
                name: format!("{}/{}", self.kind.to_string().to_lowercase(), self.name),
            },
        })?;
        Ok(ImageChange {
            workload: self.title(),
            container: found.name,
            from: found.image,
            to: image.to_owned(),
            list: found.list,
        })
    }

    /// Makes the change. Kubernetes then replaces the workload's Pods.
    pub async fn set_image(&self, change: &ImageChange) -> Result<(), WorkloadError> {
        let container = json!({ "name": change.container, "image": change.to });
        let body = json!({ "spec": { "template": { "spec": { change.list: [container] } } } });
        self.patch(body).await?;
        Ok(())
    }

    /// Replaces the workload's Pods by new ones of the same template, as `kubectl rollout restart` does. `now` is the time
    /// in RFC 3339.
    pub async fn restart(&self, now: &str) -> Result<(), WorkloadError> {
        let object = self.read().await?;
        if self.kind == WorkloadKind::Deployment && object.data["spec"]["paused"] == true {
            return Err(WorkloadError::Paused { what: self.title() });
        }
        let annotations = json!({ RESTARTED_AT: now });
        self.patch(json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } })).await?;
        Ok(())
    }
}

fn containers(object: &DynamicObject) -> Vec<Container> {
    let template = &object.data["spec"]["template"]["spec"];
    let of = |list: &'static str| {
        let containers = template[list].as_array().into_iter().flatten();
        containers.filter_map(move |container: &Value| {
            let text = |key: &str| container[key].as_str().map(str::to_owned);
            Some(Container { list, name: text("name")?, image: text("image").unwrap_or_default() })
        })
    };
    LISTS.into_iter().flat_map(of).collect()
}

/// The last component of an image's repository.
fn last_component(image: &str) -> &str {
    let parts = hythe_oci::ImageNameParts::of(image);
    parts.path.rsplit('/').next().unwrap_or(parts.path)
}

/// The container to change; otherwise the names of those that could be meant.
fn choose(all: &[Container], wanted: Option<&str>, image: &str) -> Result<Container, String> {
    let names = |containers: &mut dyn Iterator<Item = &Container>| {
        containers.map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if let Some(wanted) = wanted {
        let found = all.iter().find(|container| container.name == wanted);
        return found.cloned().ok_or_else(|| names(&mut all.iter()));
    }
    let main: Vec<&Container> = all.iter().filter(|container| container.list == LISTS[0]).collect();
    if let [only] = main[..] {
        return Ok(only.clone());
    }
    let is_same = |container: &&&Container| last_component(&container.image) == last_component(image);
    let same: Vec<&&Container> = main.iter().filter(is_same).collect();
    match same[..] {
        [only] => Ok((*only).clone()),
        _ => Err(names(&mut main.into_iter())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(containers: &Value, init: &Value) -> Vec<Container> {
        let spec = json!({ "containers": containers, "initContainers": init });
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "app" },
            "spec": { "template": { "spec": spec } },
        });
        super::containers(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn the_container_is_the_named_one_the_only_one_or_that_of_the_same_repository() {
        let image = "prod.example/team/app@sha256:aa";
        let one =
            object(&json!([{ "name": "main", "image": "x" }]), &json!([{ "name": "init", "image": "y" }]));
        assert_eq!(choose(&one, None, image).unwrap().name, "main");
        assert_eq!(choose(&one, Some("init"), image).unwrap().list, "initContainers");
        assert_eq!(choose(&one, Some("nope"), image).unwrap_err(), "main, init");
        let two = json!([
            { "name": "web", "image": "localhost:5001/app:v1" }, { "name": "proxy", "image": "localhost:5001/proxy" },
        ]);
        let two = object(&two, &json!(null));
        assert_eq!(choose(&two, None, image).unwrap().name, "web");
        assert_eq!(choose(&two, None, "prod.example/other:v1").unwrap_err(), "web, proxy");
    }
}
