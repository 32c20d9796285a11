//! The objects that a deployed registry is made of.

mod network;
mod pod;
mod storage;

use serde_json::json;

use super::{Data, Options, Target, Workload};
use crate::api::{Kind, Manifest, Object};

pub(super) use pod::{init_containers, volume};

/// All of them, each after what it needs.
pub fn render(options: &Options) -> Vec<Manifest> {
    let target = &options.target;
    let mut manifests = vec![Manifest::new(Object::namespace(target.namespace.as_str()), &[], json!({}))];
    if let Data::Claim { size, class } = &options.data {
        manifests.push(storage::claim(target, size.as_ref(), class.as_ref()));
    }
    manifests.push(network::policy(target, &options.peers));
    manifests.push(network::service(target));
    if let Some(port) = options.node_port {
        manifests.push(network::node_port(target, port));
    }
    manifests.push(workload(options));
    manifests
}

/// What tells this registry's Pods from others. It cannot change once a workload is made, so it has no version in it.
pub(super) fn selector(target: &Target) -> [(&'static str, &str); 2] {
    [("app.kubernetes.io/name", "hythe"), ("app.kubernetes.io/instance", target.name.as_str())]
}

/// Labels as an object has them.
fn map(labels: &[(&str, &str)]) -> serde_json::Value {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// An object of the registry, with its labels.
fn manifest(target: &Target, object: Object, fields: serde_json::Value) -> Manifest {
    Manifest::new(object, &selector(target), fields)
}

/// What runs the Pod. There is one: a data folder has one server.
fn workload(options: &Options) -> Manifest {
    let target = &options.target;
    let mut spec = json!({
        "replicas": 1,
        "revisionHistoryLimit": 3,
        "selector": { "matchLabels": map(&selector(target)) },
        "template": pod::template(options),
    });
    match options.workload {
        // A successor that starts beside its predecessor finds the folder locked.
        Workload::Deployment => spec["strategy"] = json!({ "type": "Recreate" }),
        Workload::StatefulSet => spec["serviceName"] = json!(target.name.as_str()),
    }
    manifest(target, target.object(options.workload.kind()), json!({ "spec": spec }))
}

/// Kept here so that the claim's and the Pod's name for it are one.
fn claim_object(target: &Target) -> Object {
    target.object(Kind::PersistentVolumeClaim)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Service};
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde_json::Value;

    use super::*;
    use crate::deploy::{Source, to_yaml};

    fn options() -> Options {
        let target =
            Target { namespace: "storage".parse().unwrap(), name: "docker-registry".parse().unwrap() };
        Options::new(target, Source::Nodes("localhost/hythe:1".parse().unwrap())).unwrap()
    }

    fn on_host() -> Options {
        Options {
            data: Data::HostPath("/mnt/local-storage/registry".parse().unwrap()),
            nodes: vec!["kubernetes.io/hostname=kind-worker".parse().unwrap()],
            peers: vec!["app=ci".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            workload: Workload::StatefulSet,
            ..options()
        }
    }

    fn of(options: &Options, kind: Kind) -> Value {
        render(options).into_iter().find(|manifest| manifest.object.kind == kind).unwrap().body().clone()
    }

    /// Reads it as the cluster's types, which leave out what they do not know, and writes it again.
    fn again(manifest: &Manifest) -> Value {
        fn through<T: serde::de::DeserializeOwned + serde::Serialize>(body: &Value) -> Value {
            serde_json::to_value(serde_json::from_value::<T>(body.clone()).unwrap()).unwrap()
        }
        let body = manifest.body();
        match manifest.object.kind {
            Kind::Namespace => through::<Namespace>(body),
            Kind::PersistentVolumeClaim => through::<PersistentVolumeClaim>(body),
            Kind::NetworkPolicy => through::<NetworkPolicy>(body),
            Kind::Service => through::<Service>(body),
            Kind::Deployment => through::<Deployment>(body),
            Kind::StatefulSet => through::<StatefulSet>(body),
            Kind::ConfigMap => unreachable!("no ConfigMap is deployed"),
        }
    }

    #[test]
    fn the_cluster_knows_every_field() {
        for manifest in [options(), on_host()].iter().flat_map(render) {
            assert_eq!(&again(&manifest), manifest.body(), "{}", manifest.object);
        }
    }

    #[test]
    fn no_more_is_allowed_than_serving_takes() {
        let pod = &of(&options(), Kind::Deployment)["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(
            pod["securityContext"],
            json!({
                "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
            })
        );
        let container = &pod["containers"][0];
        assert_eq!(
            container["securityContext"],
            json!({
                "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            })
        );
        assert_eq!(container["resources"]["limits"], json!({ "memory": "256Mi", "cpu": "200m" }));
        assert!(pod.get("initContainers").is_none());
    }

    #[test]
    fn only_a_folder_of_the_node_has_a_container_that_runs_as_root() {
        let options = on_host();
        let pod = &of(&options, Kind::StatefulSet)["spec"]["template"]["spec"];
        let own = &pod["initContainers"][0];
        assert_eq!(own["args"], json!(["own", "/var/lib/registry", "--user", "1000"]));
        assert_eq!(own["securityContext"]["runAsUser"], 0);
        assert_eq!(
            own["securityContext"]["capabilities"],
            json!({ "drop": ["ALL"], "add": ["CHOWN", "DAC_READ_SEARCH"] })
        );
        assert_eq!(pod["containers"][0]["securityContext"].get("runAsUser"), None);
        assert_eq!(pod["nodeSelector"], json!({ "kubernetes.io/hostname": "kind-worker" }));
        assert!(render(&options).iter().all(|manifest| manifest.object.kind != Kind::PersistentVolumeClaim));
        let from = &of(&options, Kind::NetworkPolicy)["spec"]["ingress"][0]["from"];
        assert_eq!(from[0]["podSelector"]["matchLabels"]["app"], "ci");
        assert_eq!(from[1]["ipBlock"]["cidr"], "10.0.0.0/8");
    }

    #[test]
    fn a_request_is_never_above_its_limit() {
        let small = Options { memory: "32Mi".parse().unwrap(), cpu: "10m".parse().unwrap(), ..options() };
        let resources =
            &of(&small, Kind::Deployment)["spec"]["template"]["spec"]["containers"][0]["resources"];
        assert_eq!(resources["requests"], json!({ "memory": "32Mi", "cpu": "10m" }));
    }

    #[test]
    fn a_port_of_the_nodes_has_a_service_of_its_own_or_none() {
        let names = |options: &Options| {
            let services =
                render(options).into_iter().filter(|manifest| manifest.object.kind == Kind::Service);
            services.map(|manifest| manifest.object.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&options()), ["docker-registry", "docker-registry-nodeport"]);
        assert_eq!(names(&Options { node_port: None, ..options() }), ["docker-registry"]);
    }

    #[test]
    fn the_server_knows_its_names_and_what_it_is_set_to() {
        let variables = [("HYTHE_UPSTREAM_OFFLINE".to_owned(), "true".to_owned())].into();
        let env = &of(&Options { variables, ..options() }, Kind::Deployment)["spec"]["template"]["spec"]["containers"]
            [0]["env"];
        let hosts =
            "docker-registry.storage.svc.cluster.local,docker-registry.storage.svc,docker-registry.storage";
        assert_eq!(
            *env,
            json!([
                { "name": "HYTHE_HTTP_HOSTS", "value": hosts },
                { "name": "HYTHE_UPSTREAM_OFFLINE", "value": "true" },
            ])
        );
    }

    #[test]
    fn texts_that_yaml_takes_for_something_else_are_quoted() {
        let variables =
            [("HYTHE_A".to_owned(), "yes".to_owned()), ("HYTHE_B".to_owned(), "0123".to_owned())].into();
        let yaml = to_yaml(&render(&Options { variables, ..options() }));
        for line in ["value: \"yes\"", "value: \"0123\""] {
            assert!(yaml.contains(line) || yaml.contains(&line.replace('"', "'")), "{yaml}");
        }
        assert_eq!(yaml.matches("\n---\n").count(), 5, "{yaml}");
    }
}
