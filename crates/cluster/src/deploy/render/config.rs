//! The server's variables, in a ConfigMap of their own: what is set is seen and found without reading a Pod.

use std::collections::BTreeMap;

use hythe_oci::{Algorithm, Digest};
use serde_json::{Value, json};

use super::manifest;
use crate::api::Manifest;
use crate::deploy::{Options, Target};

/// The annotation of the Pod that makes another one of it when the variables change: a server reads them once.
const VARIABLES: &str = "dev.hythe.variables";

/// The ConfigMap.
pub(super) fn map(options: &Options) -> Manifest {
    manifest(&options.target, options.config_object(), json!({ "data": variables(options) }))
}

/// The server's variables: the names that it goes by in the cluster are its own, whoever asks for them by `?ns=`.
fn variables(options: &Options) -> BTreeMap<String, String> {
    let Target { namespace, name } = &options.target;
    let service = format!("{name}.{namespace}");
    let hosts = format!("{service}.svc.cluster.local,{service}.svc,{service}");
    let mut variables = BTreeMap::from([("HYTHE_HTTP_HOSTS".to_owned(), hosts)]);
    variables.extend(options.variables.clone());
    variables
}

/// The Pod's annotations.
pub(super) fn annotations(options: &Options) -> Value {
    // Maps of texts are always JSON.
    let text = serde_json::to_string(&variables(options)).unwrap_or_default();
    let digest = Digest::of(Algorithm::Sha256, text.as_bytes());
    let hex = digest.hex();
    json!({ VARIABLES: hex.get(..16).unwrap_or(&hex) })
}

/// Where the container has them from.
pub(super) fn source(options: &Options) -> Value {
    json!([{ "configMapRef": { "name": options.config_object().name } }])
}
