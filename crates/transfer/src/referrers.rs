//! Referrers where no API lists them: in the tag of a registry without the API, and among the manifests of a layout.

use hythe_oci::media_type::OCI_INDEX;
use hythe_oci::{Digest, Reference};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::store::Source;

/// Those of the manifests whose subject is this digest. Skips entries that the place lacks or that cannot be read.
pub(crate) async fn referrers_among(
    place: &dyn Source,
    manifests: Vec<Digest>,
    subject: &Digest,
) -> Result<Vec<Digest>> {
    let mut found = Vec::new();
    for digest in manifests {
        match place.manifest(&Reference::Digest(digest)).await {
            Ok(manifest) if manifest.subject == Some(*subject) => found.push(digest),
            Ok(_) | Err(Error::NotFound { .. } | Error::Manifest { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The list with one more referrer, as an index; `None` if it has the referrer already. Keeps the other entries as they
/// are.
pub(crate) fn with_referrer(list: Option<&[u8]>, manifest: &Manifest) -> Option<Vec<u8>> {
    let list: Option<Value> = list.and_then(|list| serde_json::from_slice(list).ok());
    let mut list = list
        .filter(|list| list["manifests"].is_array())
        .unwrap_or_else(|| json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }));
    let digest = manifest.digest.to_string();
    let entries = list["manifests"].as_array_mut()?;
    if entries.iter().any(|entry| entry["digest"] == digest.as_str()) {
        return None;
    }
    let mut entry = json!({
        "mediaType": manifest.media_type,
        "digest": digest,
        "size": manifest.bytes.len(),
    });
    if let Some(artifact_type) = &manifest.artifact_type {
        entry["artifactType"] = json!(artifact_type);
    }
    let own: Option<Value> = serde_json::from_slice(&manifest.bytes).ok();
    if let Some(annotations) =
        own.as_ref().and_then(|own| own.get("annotations")).filter(|own| own.is_object())
    {
        entry["annotations"] = annotations.clone();
    }
    entries.push(entry);
    Some(list.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use hythe_oci::Algorithm;

    use super::*;

    fn referrer(note: &str) -> Manifest {
        let subject = hythe_oci::Digest::of(Algorithm::Sha256, b"subject");
        let bytes = json!({
            "schemaVersion": 2,
            "mediaType": hythe_oci::media_type::OCI_MANIFEST,
            "artifactType": "application/vnd.example.note",
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": subject, "size": 2 },
            "layers": [],
            "subject": { "mediaType": hythe_oci::media_type::OCI_MANIFEST, "digest": subject, "size": 7 },
            "annotations": { "note": note },
        });
        Manifest::read(None, bytes.to_string().into(), Algorithm::Sha256).unwrap()
    }

    #[test]
    fn a_referrer_is_listed_once_with_its_type_and_annotations() {
        let (first, second) = (referrer("first"), referrer("second"));
        let list = with_referrer(None, &first).unwrap();
        assert_eq!(with_referrer(Some(&list), &first), None);
        let list = with_referrer(Some(&list), &second).unwrap();
        let list: Value = serde_json::from_slice(&list).unwrap();
        let notes: Vec<&Value> =
            list["manifests"].as_array().unwrap().iter().map(|entry| &entry["annotations"]["note"]).collect();
        assert_eq!(notes, ["first", "second"]);
        assert_eq!(list["manifests"][0]["artifactType"], "application/vnd.example.note");
        assert_eq!(list["mediaType"], OCI_INDEX);
    }
}
