//! The name of an image, as people, Dockerfiles and Kubernetes manifests write it.
//!
//! ```text
//! name       := [ registry "/" ] path [ ":" tag ] [ "@" digest ]
//! registry   := host [ ":" port ]
//! path       := component { "/" component }
//! ```
//!
//! This is the grammar of Docker and containerd (distribution/reference, `reference.go`). A registry and a path look
//! alike, so a rule tells them apart (`splitDockerDomain`): the first component is a registry if a slash follows it and
//! it has a dot or a colon, or is `localhost`. Without a registry the name belongs to Docker Hub.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Authority, AuthorityError, Digest, DigestError, NameError, Reference, RepositoryName, Tag, TagError,
};

/// The registry of a name that names none.
const HUB: &str = "docker.io";

/// The former name of Docker Hub, which Docker still reads as [`HUB`].
const FORMER_HUB: &str = "index.docker.io";

/// The first component of the paths of Docker's own images, which names may leave out.
const OFFICIAL: &str = "library/";

/// The name of an image in any registry: `redis`, `ghcr.io/a/b:v1`, `[::1]:5000/app@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    written: String,
    registry: Authority,
    repository: RepositoryName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is not the name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the name of an image: {fault}")]
pub struct ImageNameError {
    /// The text.
    pub text: String,
    /// The part that is wrong.
    pub fault: ImageNameFault,
}

/// The part of a text that keeps it from being the name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameFault {
    /// The text is an address with a scheme.
    #[error("names of images have no scheme such as docker://")]
    Scheme,
    /// The first component looks like a registry, but is none.
    #[error(transparent)]
    Registry(#[from] AuthorityError),
    /// The path is not the name of a repository.
    #[error(transparent)]
    Repository(#[from] NameError),
    /// The text after the colon is not a tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// The text after the `@` is not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ImageName {
    /// The registry that the name names, else Docker Hub (`docker.io`).
    pub fn registry(&self) -> &Authority {
        &self.registry
    }

    /// The repository in that registry. Docker's own images are in `library/`, also if the name leaves that out.
    pub fn repository(&self) -> &RepositoryName {
        &self.repository
    }

    /// The tag, if the name has one.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if the name has one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The reference of the manifest to pull: the digest, else the tag, else `latest`. A digest identifies the manifest,
    /// so a tag beside it is ignored, as Docker and containerd do.
    pub fn reference(&self) -> Reference {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Reference::Digest(*digest),
            (None, Some(tag)) => Reference::Tag(tag.clone()),
            (None, None) => Reference::Tag(Tag::latest()),
        }
    }

    /// The full name, as Docker and kubelet complete it (distribution/reference, `ParseDockerRef`): with its registry,
    /// with `library/` and with `latest` where the name leaves them out, and without a tag beside a digest.
    pub fn normalised(&self) -> Self {
        let reference = self.reference();
        let separator = if matches!(reference, Reference::Digest(_)) { '@' } else { ':' };
        let (tag, digest) = match reference.clone() {
            Reference::Tag(tag) => (Some(tag), None),
            Reference::Digest(digest) => (None, Some(digest)),
        };
        let (registry, repository) = (self.registry.clone(), self.repository.clone());
        // Without its port a host of one word would read as a part of the path.
        let port = if is_registry(&registry.to_string()) { "" } else { ":443" };
        let written = format!("{registry}{port}/{repository}{separator}{reference}");
        Self { written, registry, repository, tag, digest }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        read(text).map_err(|fault| ImageNameError { text: text.to_owned(), fault })
    }
}

fn read(text: &str) -> Result<ImageName, ImageNameFault> {
    if text.contains("://") {
        return Err(ImageNameFault::Scheme);
    }
    let parts = ImageNameParts::of(text);
    let mut registry: Authority = parts.registry.unwrap_or(HUB).parse()?;
    if registry.to_string() == FORMER_HUB {
        registry = HUB.parse()?;
    }
    let is_short = registry.to_string() == HUB && !parts.path.contains('/');
    // The error for a path of one component shows the path as it was written.
    let written: RepositoryName = parts.path.parse()?;
    let repository = if is_short { format!("{OFFICIAL}{written}").parse()? } else { written };
    Ok(ImageName {
        written: text.to_owned(),
        registry,
        repository,
        tag: parts.tag.map(str::parse).transpose()?,
        digest: parts.digest.map(str::parse).transpose()?,
    })
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for ImageName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for ImageName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The parts of a text that may be the name of an image, before they are checked: for texts with placeholders, and for
/// names whose parts come from different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageNameParts<'a> {
    /// The registry and the path together.
    pub name: &'a str,
    /// The registry, if the text names one.
    pub registry: Option<&'a str>,
    /// The path in the registry.
    pub path: &'a str,
    /// The text after the last colon, if that colon follows the last slash.
    pub tag: Option<&'a str>,
    /// The text after the `@`.
    pub digest: Option<&'a str>,
}

impl<'a> ImageNameParts<'a> {
    /// The parts of any text.
    pub fn of(text: &'a str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // No path has a colon. So if a slash follows the last colon, that colon precedes the registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (Some(first), path),
            _ => (None, name),
        };
        Self { name, registry, path, tag, digest }
    }

    /// Whether the text says which manifest it means, by a tag or a digest.
    pub fn is_pinned(&self) -> bool {
        self.tag.is_some() || self.digest.is_some()
    }
}

/// Whether the first component of a name is a registry, and not the beginning of a path on Docker Hub.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}
