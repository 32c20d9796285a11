//! The objects of `hythe deploy` as files for `kubectl apply -k`.

use serde_json::{Value, json};

use super::render::{init_containers, volume};
use super::yaml::value_to_yaml;
use super::{Data, DeployOptions, render};
use crate::api::{Kind, Manifest};

/// A file of the folder `deploy/kustomize`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KustomizeFile {
    /// The file's path in that folder.
    pub path: String,
    /// The file's content.
    pub text: String,
}

/// The files of the base, which has the default objects of `hythe deploy`, and of the component that puts the data on
/// the node.
pub fn kustomize(options: &DeployOptions, data: &Data) -> Vec<KustomizeFile> {
    let manifests = render(options);
    let mut files: Vec<KustomizeFile> = manifests
        .iter()
        .map(|manifest| KustomizeFile {
            path: format!("base/{}", file_name(manifest)),
            text: value_to_yaml(manifest.body()),
        })
        .collect();
    let names: Vec<String> = manifests.iter().map(file_name).collect();
    files.push(written(
        "base/kustomization.yaml",
        &json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": names,
        }),
    ));
    files.extend(host_path(options, data));
    files
}

fn file_name(manifest: &Manifest) -> String {
    let kind = manifest.object.kind.to_string().to_lowercase();
    let node_port = manifest.object.kind == Kind::Service && manifest.object.name.ends_with("-nodeport");
    if node_port { "service-nodeport.yaml".to_owned() } else { format!("{kind}.yaml") }
}

/// The files of the component: patches that change the base so that the data is on the node.
fn host_path(options: &DeployOptions, data: &Data) -> Vec<KustomizeFile> {
    let target = &options.target;
    let on_node = DeployOptions { data: data.clone(), ..options.clone() };
    let mut volume = volume(&on_node);
    // A merge keeps fields that the patch does not name, so the patch sets this one to null.
    volume["persistentVolumeClaim"] = Value::Null;
    let patch = |kind: Kind, rest: Value| {
        let mut patch = json!({ "kind": kind.to_string(), "metadata": { "name": target.name.as_str() } });
        if let (Value::Object(patch), Value::Object(rest)) = (&mut patch, rest) {
            patch.extend(rest);
        }
        patch
    };
    let mut workload = patch(
        options.workload.kind(),
        json!({
            "spec": { "template": { "spec": { "volumes": [volume], "initContainers": init_containers(&on_node) } } },
        }),
    );
    workload["apiVersion"] = json!("apps/v1");
    let mut claim = patch(Kind::PersistentVolumeClaim, json!({ "$patch": "delete" }));
    claim["apiVersion"] = json!("v1");
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        // The patches select by target, so they apply in every namespace.
        "patches": [
            { "path": "claim.yaml", "target": { "kind": "PersistentVolumeClaim", "name": target.name.as_str() } },
            { "path": "workload.yaml", "target": { "kind": options.workload.kind().to_string(), "name": target.name.as_str() } },
        ],
    });
    vec![
        written("component/host-path/claim.yaml", &claim),
        written("component/host-path/workload.yaml", &workload),
        written("component/host-path/kustomization.yaml", &kustomization),
    ]
}

fn written(path: &str, value: &Value) -> KustomizeFile {
    KustomizeFile { path: path.to_owned(), text: value_to_yaml(value) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ImageSource, Target};
    use super::*;

    /// The files as committed. hythe has no public image, so a user of the files sets an image of their own.
    fn files() -> Vec<KustomizeFile> {
        let target = Target { namespace: "registry".parse().unwrap(), name: "registry".parse().unwrap() };
        let image = concat!("localhost/hythe:", env!("CARGO_PKG_VERSION")).parse().unwrap();
        let options = DeployOptions::new(target, ImageSource::Registry(image)).unwrap();
        kustomize(&options, &Data::HostPath("/mnt/local-storage/registry".parse().unwrap()))
    }

    #[test]
    fn the_committed_files_are_what_the_renderer_writes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize");
        let write = std::env::var_os("HYTHE_WRITE_GOLDEN_FILES").is_some();
        for KustomizeFile { path, text } in files() {
            let file = folder.join(&path);
            if write {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &text).unwrap();
            }
            assert!(
                std::fs::read_to_string(&file).unwrap_or_default() == text,
                "deploy/kustomize/{path} is stale: run HYTHE_WRITE_GOLDEN_FILES=1 cargo test -p hythe-cluster kustomize"
            );
        }
    }

    #[test]
    fn each_file_of_the_base_is_listed() {
        let files = files();
        let list = files.iter().find(|file| file.path == "base/kustomization.yaml").unwrap();
        let base: Vec<_> = files.iter().filter_map(|file| file.path.strip_prefix("base/")).collect();
        assert_eq!(base.len(), 8);
        for name in base.iter().filter(|name| **name != "kustomization.yaml") {
            assert!(list.text.contains(&format!("- {name}\n")), "{name}");
        }
    }
}
