//! The Pod: one container with no rights beyond those that serving needs.

use serde_json::{Value, json};

use super::{config, labels, map};
use crate::api::MANAGED_BY;
use crate::deploy::{Data, DeployOptions, ImageSource, PORT, PORT_NAME, Quantity};
use crate::image::{DATA_FOLDER, USER};

/// The program's path in its image. The image's entry point, `/bin/registry`, would behave like `registry:2`.
const PROGRAM: &str = "/bin/hythe";

/// The memory that Kubernetes reserves for the container. It may use more, up to its limit, if the node has more.
const MEMORY_REQUEST: &str = "64Mi";
/// The processor time that Kubernetes reserves for the container.
const CPU_REQUEST: &str = "50m";

pub(super) fn template(options: &DeployOptions) -> Value {
    let labels: Vec<_> = labels(&options.target).into_iter().chain([MANAGED_BY]).collect();
    let mut spec = json!({
        "automountServiceAccountToken": false,
        // For a Service called `registry`, Kubernetes would set REGISTRY_PORT and others in the container, which a
        // server takes for its configuration (`REGISTRY_*`).
        "enableServiceLinks": false,
        // Longer than a stopping server gives to open requests, and then to uploads for saving their state.
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            // Without this, kubelet would walk all files, perhaps millions, at each start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [server(options)],
        "volumes": [volume(options)],
    });
    let init = init_containers(options);
    if !init.is_empty() {
        spec["initContainers"] = init.into();
    }
    if !options.nodes.is_empty() {
        let nodes: Vec<_> = options.nodes.iter().map(|label| (label.key(), label.value())).collect();
        spec["nodeSelector"] = map(&nodes);
    }
    json!({ "metadata": { "labels": map(&labels), "annotations": config::annotations(options) }, "spec": spec })
}

fn server(options: &DeployOptions) -> Value {
    let mut container = container(options, "hythe");
    container["args"] =
        json!(["serve", "--listen", format!(":{PORT}"), "--data", DATA_FOLDER, "--allow-anonymous-network"]);
    container["envFrom"] = config::source(options);
    container["ports"] = json!([{ "name": PORT_NAME, "containerPort": PORT, "protocol": "TCP" }]);
    // With a fifth of a processor the server answers late under load, which is no reason to restart it.
    container["startupProbe"] = probe(2, 5, 300);
    container["readinessProbe"] = probe(5, 5, 3);
    container["livenessProbe"] = probe(20, 10, 6);
    container["securityContext"] = locked();
    container
}

/// The fields that all containers of the image share.
fn container(options: &DeployOptions, name: &str) -> Value {
    let (image, pull) = match &options.image {
        ImageSource::Nodes(image) => (image, "Never"),
        ImageSource::Registry(image) => (image, "IfNotPresent"),
    };
    let request = |least: &str, limit: &Quantity| match least.parse::<Quantity>() {
        Ok(least) if least < *limit => least.to_string(),
        _ => limit.to_string(),
    };
    json!({
        "name": name,
        "image": image.as_str(),
        "imagePullPolicy": pull,
        "command": [PROGRAM],
        "resources": {
            "requests": { "memory": request(MEMORY_REQUEST, &options.memory), "cpu": request(CPU_REQUEST, &options.cpu) },
            "limits": { "memory": options.memory.as_str(), "cpu": options.cpu.as_str() },
        },
        "volumeMounts": [{ "name": "data", "mountPath": DATA_FOLDER }],
    })
}

fn probe(period: u32, timeout: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "path": "/v2/", "port": PORT_NAME },
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    })
}

fn locked() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// The init container that gives a node's folder to the server's user. Kubernetes makes such a folder for root, and no
/// field changes that. The container runs as root with two capabilities only: one to change owners, one to read folders
/// of other users.
pub(in crate::deploy) fn init_containers(options: &DeployOptions) -> Vec<Value> {
    let Data::HostPath(_) = &options.data else { return Vec::new() };
    let mut container = container(options, "own");
    container["args"] = json!(["own", DATA_FOLDER, "--user", USER.to_string()]);
    container["securityContext"] = locked();
    container["securityContext"]["capabilities"]["add"] = json!(["CHOWN", "DAC_READ_SEARCH"]);
    container["securityContext"]["runAsUser"] = json!(0);
    container["securityContext"]["runAsNonRoot"] = json!(false);
    vec![container]
}

/// The Pod's volume with the data.
pub(in crate::deploy) fn volume(options: &DeployOptions) -> Value {
    match &options.data {
        Data::Claim { .. } => {
            json!({ "name": "data", "persistentVolumeClaim": { "claimName": options.claim_object().name } })
        }
        Data::HostPath(path) => {
            json!({ "name": "data", "hostPath": { "path": path.as_str(), "type": "DirectoryOrCreate" } })
        }
    }
}
