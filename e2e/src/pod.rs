//! A Pod that runs where there is no scheduler and no network for Pods.

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
            // Nobody takes the taints of a new node away.
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": image}],
        },
    })
}
