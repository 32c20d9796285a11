//! The name of an image, as Kubernetes manifests write it and kubelet completes it.

use std::fmt;
use std::str::FromStr;

use hythe_oci::{Authority, AuthorityError, DigestError, NameError, Reference, RepositoryName, TagError};

/// The registry of a name that has none.
const HUB: &str = "docker.io";

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// The registry's host and port.
    pub host: Authority,
    /// The repository in that registry.
    pub repository: RepositoryName,
    /// The tag or digest.
    pub reference: Reference,
}

/// Why a text is not the name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the name of an image: {reason}")]
pub struct ImageNameError {
    text: String,
    reason: String,
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let error =
            |reason: &dyn fmt::Display| ImageNameError { text: text.to_owned(), reason: reason.to_string() };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        // The first component is a host if it looks like one (distribution/reference, `splitDockerDomain`).
        let (host, path) = match path.split_once('/') {
            Some(("index.docker.io", rest)) => (HUB, rest),
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => (HUB, path),
        };
        let library = if host == HUB && !path.contains('/') { "library/" } else { "" };
        let reference = match digest {
            Some(digest) => Reference::Digest(digest.parse().map_err(|why: DigestError| error(&why))?),
            None => Reference::Tag(tag.unwrap_or("latest").parse().map_err(|why: TagError| error(&why))?),
        };
        Ok(Self {
            host: host.parse().map_err(|why: AuthorityError| error(&why))?,
            repository: format!("{library}{path}").parse().map_err(|why: NameError| error(&why))?,
            reference,
        })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.reference, Reference::Digest(_)) { '@' } else { ':' };
        write!(f, "{}/{}{separator}{}", self.host, self.repository, self.reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_kubelet_does() {
        let digest = format!("sha256:{}", "4".repeat(64));
        for (text, name) in [
            ("redis", "docker.io/library/redis:latest".to_owned()),
            ("bitnami/redis:7", "docker.io/bitnami/redis:7".to_owned()),
            ("index.docker.io/a/b", "docker.io/a/b:latest".to_owned()),
            ("localhost:5001/app", "localhost:5001/app:latest".to_owned()),
            ("localhost/app:v1", "localhost/app:v1".to_owned()),
            (&format!("ghcr.io/x/y:v1@{digest}"), format!("ghcr.io/x/y@{digest}")),
        ] {
            assert_eq!(text.parse::<ImageName>().map(|image| image.to_string()), Ok(name));
        }
        for text in ["", "UPPER", "a b", "x:", "x@sha256:1"] {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
    }
}
