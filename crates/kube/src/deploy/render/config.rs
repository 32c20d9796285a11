//! The ConfigMap of the server's variables, which users find without reading a Pod.

use std::collections::BTreeMap;

use hythe_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use super::manifest;
use crate::api::Manifest;
use crate::deploy::{DeployOptions, Target};

/// The Pod's annotation with a digest of the variables. A server reads its variables only at its start, so a change
/// has to replace the Pod.
const VARIABLES: &str = "dev.hythe.variables";

/// The ConfigMap with the server's variables.
pub(super) fn map(options: &DeployOptions) -> Manifest {
    manifest(&options.target, options.config_object(), json!({ "data": variables(options) }))
}

/// The server's variables. `HYTHE_HTTP_HOSTS` has the registry's names in the cluster, so that the server takes a
/// `?ns=` with one of them for itself.
fn variables(options: &DeployOptions) -> BTreeMap<String, String> {
    let Target { namespace, name } = &options.target;
    let service = format!("{name}.{namespace}");
    let hosts = format!("{service}.svc.cluster.local,{service}.svc,{service}");
    let mut variables = BTreeMap::from([("HYTHE_HTTP_HOSTS".to_owned(), hosts)]);
    variables.extend(options.variables.clone());
    variables
}

/// The Pod's annotations.
pub(super) fn annotations(options: &DeployOptions) -> Value {
    // A map of strings is always valid JSON.
    let text = serde_json::to_string(&variables(options)).unwrap_or_default();
    let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
    let hex = digest.hex();
    json!({ VARIABLES: hex.get(..16).unwrap_or(&hex) })
}

/// The container's source of variables: the ConfigMap.
pub(super) fn source(options: &DeployOptions) -> Value {
    json!([{ "configMapRef": { "name": options.config_object().name } }])
}
