//! The objects of a deployed registry.

mod config;
mod network;
mod pod;
mod storage;

use serde_json::json;

use super::{Data, DeployOptions, Target, Workload};
use crate::api::{Manifest, Object};

pub(super) use pod::{init_containers, volume};

/// All objects, each after those that it needs.
pub fn render(options: &DeployOptions) -> Vec<Manifest> {
    let target = &options.target;
    let mut manifests = vec![Manifest::new(Object::namespace(target.namespace.as_str()), &[], json!({}))];
    if let Data::Claim { size, class } = &options.data {
        manifests.push(storage::claim(options, size.as_ref(), class.as_ref()));
    }
    manifests.push(config::map(options));
    manifests.push(network::policy(target, &options.peers));
    manifests.push(network::service(target));
    if let Some(port) = options.node_port {
        manifests.push(network::node_port(target, port));
    }
    manifests.push(workload(options));
    manifests
}

/// The labels of every object of the registry: those that tools search by, and `app`, which people search by.
pub(super) fn labels(target: &Target) -> Vec<(&'static str, &str)> {
    let more = [("app.kubernetes.io/component", "registry"), ("app", target.name.as_str())];
    target.labels().into_iter().chain(more).collect()
}

/// Labels as a JSON object.
fn map(labels: &[(&str, &str)]) -> serde_json::Value {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// An object of the registry, with its labels.
fn manifest(target: &Target, object: Object, fields: serde_json::Value) -> Manifest {
    Manifest::new(object, &labels(target), fields)
}

/// The workload that runs the Pod. It has one Pod, as only one server may use a data folder.
fn workload(options: &DeployOptions) -> Manifest {
    let target = &options.target;
    let mut spec = json!({
        "replicas": 1,
        "revisionHistoryLimit": 3,
        "selector": { "matchLabels": map(&target.labels()) },
        "template": pod::template(options),
    });
    match options.workload {
        // The old Pod has to end first: while it runs, it holds the lock of the data folder.
        Workload::Deployment => spec["strategy"] = json!({ "type": "Recreate" }),
        Workload::StatefulSet => spec["serviceName"] = json!(target.name.as_str()),
    }
    manifest(target, target.object(options.workload.kind()), json!({ "spec": spec }))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Service};
    use k8s_openapi::api::networking::v1::NetworkPolicy;
    use serde_json::Value;

    use super::*;
    use crate::api::Kind;
    use crate::deploy::{ImageSource, to_yaml};

    fn options() -> DeployOptions {
        let target =
            Target { namespace: "storage".parse().unwrap(), name: "docker-registry".parse().unwrap() };
        DeployOptions::new(target, ImageSource::Nodes("localhost/hythe:1".parse().unwrap())).unwrap()
    }

    fn on_host() -> DeployOptions {
        DeployOptions {
            data: Data::HostPath("/mnt/local-storage/registry".parse().unwrap()),
            nodes: vec!["kubernetes.io/hostname=kind-worker".parse().unwrap()],
            peers: vec!["app=ci".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            workload: Workload::StatefulSet,
            ..options()
        }
    }

    fn of(options: &DeployOptions, kind: Kind) -> Value {
        render(options).into_iter().find(|manifest| manifest.object.kind == kind).unwrap().body().clone()
    }

    /// Reads a manifest as the cluster's types, which drop unknown fields, and writes it again.
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
            Kind::ConfigMap => through::<ConfigMap>(body),
        }
    }

    #[test]
    fn the_cluster_knows_every_field() {
        for manifest in [options(), on_host()].iter().flat_map(render) {
            assert_eq!(&again(&manifest), manifest.body(), "{}", manifest.object);
        }
    }

    #[test]
    fn the_pod_has_no_more_rights_than_serving_needs() {
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
    fn only_with_the_data_in_a_nodes_folder_a_container_runs_as_root() {
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
        let small =
            DeployOptions { memory: "32Mi".parse().unwrap(), cpu: "10m".parse().unwrap(), ..options() };
        let resources =
            &of(&small, Kind::Deployment)["spec"]["template"]["spec"]["containers"][0]["resources"];
        assert_eq!(resources["requests"], json!({ "memory": "32Mi", "cpu": "10m" }));
    }

    #[test]
    fn a_node_port_has_a_service_of_its_own() {
        let names = |options: &DeployOptions| {
            let services =
                render(options).into_iter().filter(|manifest| manifest.object.kind == Kind::Service);
            services.map(|manifest| manifest.object.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&options()), ["docker-registry", "docker-registry-nodeport"]);
        assert_eq!(names(&DeployOptions { node_port: None, ..options() }), ["docker-registry"]);
    }

    #[test]
    fn the_config_map_has_the_servers_names_and_its_variables() {
        let variables = [("HYTHE_UPSTREAM_OFFLINE".to_owned(), "true".to_owned())].into();
        let set = DeployOptions { variables, ..options() };
        let hosts =
            "docker-registry.storage.svc.cluster.local,docker-registry.storage.svc,docker-registry.storage";
        let map = of(&set, Kind::ConfigMap);
        assert_eq!(map["data"], json!({ "HYTHE_HTTP_HOSTS": hosts, "HYTHE_UPSTREAM_OFFLINE": "true" }));
        let template = |options: &DeployOptions| of(options, Kind::Deployment)["spec"]["template"].clone();
        let from = &template(&set)["spec"]["containers"][0]["envFrom"];
        assert_eq!(*from, json!([{ "configMapRef": { "name": "docker-registry" } }]));
        // A server reads its variables only at its start, so changed variables need a new Pod.
        assert_ne!(
            template(&set)["metadata"]["annotations"],
            template(&options())["metadata"]["annotations"]
        );
    }

    #[test]
    fn every_object_is_found_by_the_label_that_people_search_by() {
        for manifest in render(&options()).iter().filter(|manifest| manifest.object.kind != Kind::Namespace) {
            let labels = &manifest.body()["metadata"]["labels"];
            assert_eq!(labels["app"], "docker-registry", "{}", manifest.object);
            assert_eq!(labels["app.kubernetes.io/instance"], "docker-registry", "{}", manifest.object);
        }
        let workload = of(&options(), Kind::Deployment);
        assert_eq!(workload["spec"]["template"]["metadata"]["labels"]["app"], "docker-registry");
        // A selector cannot change, and those of registries deployed by older versions lack this label.
        assert!(workload["spec"]["selector"]["matchLabels"].get("app").is_none());
    }

    #[test]
    fn the_claim_and_the_config_map_have_the_registrys_name_or_a_chosen_one() {
        let named = DeployOptions {
            claim: Some("registry-storage".parse().unwrap()),
            config_map: Some("registry-config".parse().unwrap()),
            ..options()
        };
        for (options, claim, map) in [
            (options(), "docker-registry", "docker-registry"),
            (named, "registry-storage", "registry-config"),
        ] {
            assert_eq!(of(&options, Kind::PersistentVolumeClaim)["metadata"]["name"], claim);
            assert_eq!(of(&options, Kind::ConfigMap)["metadata"]["name"], map);
            let pod = &of(&options, Kind::Deployment)["spec"]["template"]["spec"];
            assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], claim);
            assert_eq!(pod["containers"][0]["envFrom"][0]["configMapRef"]["name"], map);
        }
    }

    #[test]
    fn texts_that_yaml_takes_for_something_else_are_quoted() {
        let variables =
            [("HYTHE_A".to_owned(), "yes".to_owned()), ("HYTHE_B".to_owned(), "0123".to_owned())].into();
        let yaml = to_yaml(&render(&DeployOptions { variables, ..options() }));
        for line in ["HYTHE_A: \"yes\"", "HYTHE_B: \"0123\""] {
            assert!(yaml.contains(line) || yaml.contains(&line.replace('"', "'")), "{yaml}");
        }
        assert_eq!(yaml.matches("\n---\n").count(), 6, "{yaml}");
    }
}
