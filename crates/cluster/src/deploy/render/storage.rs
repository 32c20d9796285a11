//! The claim of the registry's data.

use serde_json::json;

use super::{claim_object, manifest};
use crate::api::Manifest;
use crate::deploy::{DEFAULT_SIZE, Quantity, StorageClass, Target};

/// One claim for a Deployment and a `StatefulSet` alike, outside of both: it outlives them, and can grow, which the
/// template in a `StatefulSet` cannot.
pub(super) fn claim(target: &Target, size: Option<&Quantity>, class: Option<&StorageClass>) -> Manifest {
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": size.map_or(DEFAULT_SIZE, Quantity::as_str) } },
    });
    if let Some(class) = class {
        spec["storageClassName"] = json!(class.as_str());
    }
    manifest(target, claim_object(target), json!({ "spec": spec }))
}
