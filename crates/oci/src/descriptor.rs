//! A descriptor, which refers to content by its media type, digest and size (image-spec, descriptor.md).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::care::{Care, text};
use crate::fields::Fields;
use crate::manifest_error::{ManifestError, clip};
use crate::{Digest, DigestError};

/// A descriptor whose digest this registry can verify: an entry of an index or of the referrers list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Other addresses of the content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The author's annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The type of the artifact, if the content is an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// The place of a descriptor in its manifest: `config` or `layers[2]`.
#[derive(Clone, Copy)]
pub(crate) enum DescriptorPlace<'a> {
    Field(&'a str),
    Item(&'a str, usize),
}

impl fmt::Display for DescriptorPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field),
            Self::Item(field, index) => write!(f, "{field}[{index}]"),
        }
    }
}

/// The part of a descriptor that the reader of a manifest needs. The digest may have an algorithm that the registry
/// does not support; whether that is an error depends on what the descriptor is for.
pub(crate) struct Pointer {
    pub(crate) media_type: String,
    pub(crate) digest: Option<Digest>,
    /// The algorithm, if the registry does not support it; otherwise empty.
    pub(crate) foreign_algorithm: String,
}

const NAMES: [&str; 3] = ["mediaType", "digest", "size"];

impl Pointer {
    pub(crate) fn parse(
        raw: &RawValue,
        place: DescriptorPlace<'_>,
        care: Care,
    ) -> Result<Self, ManifestError> {
        let field = |name: &str| format!("{place}.{name}");
        let missing = |name: &str| ManifestError::field(field(name), "is missing");
        if !raw.get().starts_with('{') {
            return Err(ManifestError::field(
                place,
                "must be a descriptor: an object with mediaType, digest and size",
            ));
        }
        let fields = Fields::parse(&NAMES, raw.get().as_bytes())
            .map_err(|error| ManifestError::field(place, &error.to_string()))?;
        let media_type = fields.get("mediaType").ok_or_else(|| missing("mediaType"));
        let media_type = media_type.and_then(|raw| text(raw, || field("mediaType")));
        let media_type = match care {
            Care::Pushed => media_type?,
            Care::Published => media_type.unwrap_or_default(),
        };
        let digest = text(fields.get("digest").ok_or_else(|| missing("digest"))?, || field("digest"))?;
        let (digest, foreign_algorithm) = match digest.parse() {
            Ok(digest) => (Some(digest), String::new()),
            Err(DigestError::Unsupported { algorithm }) => (None, algorithm),
            Err(error @ (DigestError::Malformed { .. } | DigestError::Encoding { .. })) => {
                return Err(ManifestError::field(field("digest"), &format!("is wrong: {error}")));
            }
        };
        if care == Care::Pushed {
            check_pushed(&fields, place)?;
        }
        Ok(Self { media_type, digest, foreign_algorithm })
    }
}

/// Checks for mistakes that only the author of a manifest can correct.
fn check_pushed(
    fields: &Fields<'_, { NAMES.len() }>,
    place: DescriptorPlace<'_>,
) -> Result<(), ManifestError> {
    if let Some(repeated) = fields.repeated() {
        return Err(ManifestError::field(place, &format!("has the duplicate field `{repeated}`")));
    }
    let size = || format!("{place}.size");
    let Some(raw) = fields.get("size") else { return Err(ManifestError::field(size(), "is missing")) };
    // Clients store sizes as signed 64-bit integers.
    if !serde_json::from_str::<u64>(raw.get()).is_ok_and(|size| i64::try_from(size).is_ok()) {
        let reason = format!("is `{}`; it must be an integer from 0 to 2^63-1", clip(raw.get()));
        return Err(ManifestError::field(size(), &reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_written_as_the_specification_spells_it() {
        let descriptor = Descriptor {
            media_type: crate::media_type::OCI_MANIFEST.to_owned(),
            digest: Digest::of(crate::Algorithm::Sha256, b"{}"),
            size: 2,
            urls: Vec::new(),
            annotations: Some([("a".to_owned(), "b".to_owned())].into()),
            artifact_type: Some("application/x".to_owned()),
        };
        let json = serde_json::to_string(&descriptor).unwrap();
        assert_eq!(
            json,
            "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"digest\":\"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\",\"size\":2,\
             \"annotations\":{\"a\":\"b\"},\"artifactType\":\"application/x\"}"
        );
        assert_eq!(serde_json::from_str::<Descriptor>(&json).unwrap(), descriptor);
    }

    #[test]
    fn a_descriptor_with_a_false_digest_is_refused() {
        let json = r#"{"mediaType":"a","digest":"sha256:00","size":1}"#;
        assert!(serde_json::from_str::<Descriptor>(json).is_err());
    }
}
