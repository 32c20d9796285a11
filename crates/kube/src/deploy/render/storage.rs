//! The claim of the registry's data.

use serde_json::json;

use super::manifest;
use crate::api::Manifest;
use crate::deploy::{DEFAULT_SIZE, DeployOptions, Quantity, StorageClass};

/// The claim, the same for a Deployment and a `StatefulSet` and part of neither. So it outlives them and can grow,
/// unlike a claim from the template of a `StatefulSet`.
pub(super) fn claim(
    options: &DeployOptions,
    size: Option<&Quantity>,
    class: Option<&StorageClass>,
) -> Manifest {
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": size.map_or(DEFAULT_SIZE, Quantity::as_str) } },
    });
    if let Some(class) = class {
        spec["storageClassName"] = json!(class.as_str());
    }
    manifest(&options.target, options.claim_object(), json!({ "spec": spec }))
}
