//! A Pod that runs without a scheduler and without a network for Pods.

use serde_json::{Value, json};

/// A Pod of one container on `node`, with the image's own command.
pub fn manifest(name: &str, node: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "hostNetwork": true,
            // Without controllers, a new node keeps its taints.
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image}],
        },
    })
}
