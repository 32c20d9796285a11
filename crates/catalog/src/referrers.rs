//! Referrers: the manifests of a repository whose subject is another manifest.

use hythe_oci::Digest;

/// A referrer: the content of its descriptor in the referrers list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The media type.
    pub media_type: String,
    /// The length in bytes.
    pub size: u64,
    /// The artifact type.
    pub artifact_type: Option<String>,
    /// The annotations, as a JSON object.
    pub annotations: Option<String>,
}

impl Referrer {
    /// The size of the texts, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.media_type.len() + text(&self.artifact_type) + text(&self.annotations)
    }
}
