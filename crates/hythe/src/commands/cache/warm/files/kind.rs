//! Tells the kind of a document by its keys and by the file's name.

use hythe_yaml::Node;

/// The kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Compose,
    Kustomization,
    /// Kubernetes objects, and files in the same form.
    Object,
    GitHub,
    GitLab,
    CloudBuild,
    /// Values of a chart, other pipelines, anything else.
    Other,
}

/// The keys at the root of a Compose file (Compose specification).
const COMPOSE: [&str; 9] =
    ["version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models"];

/// API groups of Kubernetes' own kinds: their images are under the usual keys, so an object without one has no image.
const BUILT_IN: [&str; 4] = ["v1", "apps/", "batch/", "policy/"];

pub(super) fn of(document: &Node, base_name: &str) -> Kind {
    let has = |key| document.child(key).is_some();
    let kind = document.text("kind");
    let version = document.text("apiVersion").unwrap_or_default();
    let kustomization = base_name.to_ascii_lowercase();
    if version.starts_with("kustomize.config.k8s.io/")
        || ["kustomization.yaml", "kustomization.yml", "kustomization"].contains(&kustomization.as_str())
    {
        Kind::Kustomization
    } else if kind.is_some() || has("apiVersion") {
        Kind::Object
    } else if is_compose(document) {
        Kind::Compose
    } else if document.child("jobs").is_some_and(|jobs| any(jobs, &["runs-on", "uses"]))
        || is_action(document)
    {
        Kind::GitHub
    } else if any(document, &["script", "trigger", "before_script"]) || base_name.ends_with("gitlab-ci.yml") {
        Kind::GitLab
    } else if is_cloud_build(document) {
        Kind::CloudBuild
    } else {
        Kind::Other
    }
}

/// Whether a document may have no image, without an error: a kind of Kubernetes itself.
pub(super) fn may_be_without(document: &Node) -> bool {
    let version = document.text("apiVersion").unwrap_or_default();
    let own = version.split('/').next().is_some_and(|group| group.ends_with(".k8s.io"));
    document.child("kind").is_some()
        && (own
            || BUILT_IN
                .iter()
                .any(|known| version == *known || known.ends_with('/') && version.starts_with(known)))
}

/// Whether a document is a Compose file: all services are mappings, and all root keys are Compose's. `services` alone
/// is not enough, because other files have that key too.
fn is_compose(document: &Node) -> bool {
    let known = |key: &str| COMPOSE.contains(&key) || key.starts_with("x-") || key == "<<";
    let services = document.child("services").filter(|services| services.is_map());
    match services {
        Some(services) => {
            let is_service = |value: &Node| {
                value.is_map() || value.scalar().is_some_and(|scalar| scalar.value().is_none())
            };
            // A file with Compose's `version` 2 or 3 is a Compose file whatever other keys it has.
            let is_old = document.text("version").is_some_and(|version| version.starts_with(['2', '3']))
                && ["steps", "jobs", "pipeline"].iter().all(|key| document.child(key).is_none());
            (is_old || document.entries().iter().all(|entry| known(entry.name())))
                && services.entries().iter().all(|entry| is_service(&entry.value))
        }
        // A Compose file may only include others.
        None => {
            document.child("include").is_some() && document.entries().iter().all(|entry| known(entry.name()))
        }
    }
}

/// Whether any value of a mapping has one of these keys.
fn any(map: &Node, keys: &[&str]) -> bool {
    map.entries().iter().any(|entry| keys.iter().any(|key| entry.value.child(key).is_some()))
}

/// Whether a document is a GitHub action.
fn is_action(document: &Node) -> bool {
    document.child("runs").is_some_and(|runs| runs.child("using").is_some())
}

/// Whether a document is a Cloud Build file, whose steps are named by images.
fn is_cloud_build(document: &Node) -> bool {
    let Some(steps) = document.child("steps") else { return false };
    let is_step = |step: &Node| {
        step.text("name").is_some()
            && !["image", "run", "uses", "task", "commands"].iter().any(|key| step.child(key).is_some())
    };
    !steps.items().is_empty()
        && steps.items().iter().all(is_step)
        && steps
            .items()
            .iter()
            .any(|step| ["args", "entrypoint", "script"].iter().any(|key| step.child(key).is_some()))
}
