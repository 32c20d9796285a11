//! Writes objects as a YAML file for kubectl.

use crate::api::Manifest;

/// The objects, separated by `---`.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    manifests.iter().map(|manifest| value_to_yaml(manifest.body())).collect::<Vec<_>>().join("---\n")
}

/// One object as YAML.
pub(super) fn value_to_yaml(value: &serde_json::Value) -> String {
    // JSON values are always valid YAML, so this cannot fail.
    serde_saphyr::to_string(value).unwrap_or_default()
}
