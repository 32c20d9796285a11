//! `index.json` of an OCI layout (image-spec, image-layout.md): the manifests of the layout, with their tags.

use std::collections::BTreeMap;

use hythe_oci::media_type::OCI_INDEX;
use hythe_oci::{Descriptor, Digest, Reference, Tag};
use serde::{Deserialize, Serialize};

/// The annotation with an entry's tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation with the full name under which containerd imports an entry.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The content of `index.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexFile {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    /// Fields that other programs write.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

impl Default for IndexFile {
    fn default() -> Self {
        let media_type = Some(OCI_INDEX.to_owned());
        Self { schema_version: 2, media_type, manifests: Vec::new(), others: BTreeMap::new() }
    }
}

/// The tag that an entry's name has: the name itself, or the part after the last colon of a full name.
fn tag_of(entry: &Descriptor) -> Option<Tag> {
    let name = entry.annotations.as_ref()?.get(REF_NAME)?;
    let tag =
        name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name.as_str(), |(_, tag)| tag);
    tag.parse().ok()
}

impl IndexFile {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        // Maps with strings as keys and numbers are always JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The entry that a reference names. `latest` also names the only entry, if that has no tag.
    pub(crate) fn find(&self, reference: &Reference) -> Option<&Descriptor> {
        match reference {
            Reference::Digest(digest) => self.manifests.iter().find(|entry| entry.digest == *digest),
            Reference::Tag(tag) => {
                let named = self.manifests.iter().find(|entry| tag_of(entry).as_ref() == Some(tag));
                let only = || match &self.manifests[..] {
                    [only] if tag.as_str() == "latest" && tag_of(only).is_none() => Some(only),
                    _ => None,
                };
                named.or_else(only)
            }
        }
    }

    /// Each entry that has a name, with the name.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &Descriptor)> {
        self.manifests
            .iter()
            .filter_map(|entry| Some((entry.annotations.as_ref()?.get(REF_NAME)?.as_str(), entry)))
    }

    /// Adds a manifest under a full name.
    pub(crate) fn add_named(&mut self, mut manifest: Descriptor, name: &str) {
        let annotations = manifest.annotations.get_or_insert_default();
        annotations.insert(REF_NAME.to_owned(), name.to_owned());
        annotations.insert(CONTAINERD_NAME.to_owned(), name.to_owned());
        self.manifests.push(manifest);
    }

    pub(crate) fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.manifests.iter().filter_map(tag_of).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    pub(crate) fn digests(&self) -> Vec<Digest> {
        self.manifests.iter().map(|entry| entry.digest).collect()
    }

    /// Adds a manifest with each of the tags, or without one. A tag has one manifest. Returns whether that changed
    /// anything.
    pub(crate) fn add(&mut self, manifest: &Descriptor, tags: &[Tag]) -> bool {
        let before = self.manifests.len();
        let is_same = |entry: &Descriptor| entry.digest == manifest.digest;
        if tags.is_empty() {
            if !self.manifests.iter().any(is_same) {
                self.manifests.push(manifest.clone());
            }
            return self.manifests.len() > before;
        }
        let mut changed = false;
        for tag in tags {
            if self.manifests.iter().any(|entry| is_same(entry) && tag_of(entry).as_ref() == Some(tag)) {
                continue;
            }
            changed = true;
            self.manifests.retain(|entry| {
                let of = tag_of(entry);
                // An entry without a tag is not needed once the manifest has a tag.
                of.as_ref() != Some(tag) && !(of.is_none() && is_same(entry))
            });
            let mut entry = manifest.clone();
            entry.annotations.get_or_insert_default().insert(REF_NAME.to_owned(), tag.to_string());
            self.manifests.push(entry);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::Algorithm;
    use hythe_oci::media_type::OCI_MANIFEST;

    use super::*;

    fn descriptor(content: &str) -> Descriptor {
        Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::of(Algorithm::Sha256, content.as_bytes()),
            size: content.len() as u64,
            urls: Vec::new(),
            annotations: None,
            artifact_type: None,
        }
    }

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    #[test]
    fn a_tag_moves_and_a_manifest_may_have_several() {
        let (first, second) = (descriptor("first"), descriptor("second"));
        let mut index = IndexFile::default();
        assert!(index.add(&first, &[]) && !index.add(&first, &[]));
        assert_eq!(index.find(&"latest".parse().unwrap()).unwrap().digest, first.digest);
        assert!(index.add(&first, &[tag("v1"), tag("v2")]) && !index.add(&first, &[tag("v1")]));
        assert!(index.add(&second, &[tag("v2")]));
        let index = IndexFile::read(&index.write()).unwrap();
        assert_eq!(index.tags(), [tag("v1"), tag("v2")]);
        assert_eq!(index.find(&"v2".parse().unwrap()).unwrap().digest, second.digest);
        assert_eq!(index.find(&Reference::Digest(first.digest)).unwrap().digest, first.digest);
        assert!(index.find(&"latest".parse().unwrap()).is_none());
    }

    #[test]
    fn a_full_name_gives_its_tag() {
        for (name, expected) in [
            ("7", Some("7")),
            ("docker.io/library/redis:7", Some("7")),
            ("localhost:5000/app", None),
            ("localhost:5000/app:v1", Some("v1")),
        ] {
            let mut entry = descriptor("x");
            entry.annotations = Some(BTreeMap::from([(REF_NAME.to_owned(), name.to_owned())]));
            assert_eq!(tag_of(&entry), expected.map(tag), "{name}");
        }
    }
}
