//! Objects as a file for kubectl.

use crate::api::Manifest;

/// The objects, parted by `---`.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    manifests.iter().map(|manifest| value_to_yaml(manifest.body())).collect::<Vec<_>>().join("---\n")
}

/// One object.
pub(super) fn value_to_yaml(value: &serde_json::Value) -> String {
    // Texts, numbers, lists and maps with texts for keys are always YAML.
    serde_saphyr::to_string(value).unwrap_or_default()
}
