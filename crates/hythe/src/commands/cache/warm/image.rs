//! The names of images, as people and manifests write them.

use std::fmt;

use hythe_oci::{Authority, ImageName, ImageNameError, Reference, RepositoryName};

/// An image to warm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Image {
    /// The upstream that it comes from; `None` for an image that was pushed to the registry itself.
    pub(super) upstream: Option<Authority>,
    /// Its repository, under the name that it has in the registry.
    pub(super) repository: RepositoryName,
    /// Its tag or digest.
    pub(super) reference: Reference,
    /// Its full name.
    name: ImageName,
}

impl Image {
    /// Reads a name as Docker does: `redis` is `docker.io/library/redis:latest`. `own` is the registry's own address;
    /// every name of this machine means the registry too.
    pub(super) fn parse(text: &str, own: &Authority) -> Result<Self, String> {
        let name: ImageName = text.parse().map_err(|error: ImageNameError| error.to_string())?;
        let name = name.normalised();
        let (host, path) = (name.registry(), name.repository());
        let here = host == own || is_here(host);
        let repository = if here {
            path.clone()
        } else {
            let copy = format!("{}/{path}", host.folder());
            copy.parse().map_err(|error| format!("hythe cannot keep a copy of `{text}`: {error}"))?
        };
        Ok(Self { upstream: (!here).then(|| host.clone()), repository, reference: name.reference(), name })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// Whether a host means the registry itself: this machine, or a name of one label, as containers have (DESIGN, decision
/// 6).
fn is_here(host: &Authority) -> bool {
    host.is_loopback() || !host.host().contains(['.', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Image, String> {
        Image::parse(text, &"hythe.example:5001".parse().unwrap())
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        let hex = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let digest = format!("sha256:{hex}");
        for (text, name, repository, upstream) in [
            ("redis", "docker.io/library/redis:latest", "docker.io/library/redis", true),
            ("redis:7", "docker.io/library/redis:7", "docker.io/library/redis", true),
            ("bitnami/redis", "docker.io/bitnami/redis:latest", "docker.io/bitnami/redis", true),
            ("docker.io/redis", "docker.io/library/redis:latest", "docker.io/library/redis", true),
            ("index.docker.io/a/b:1", "docker.io/a/b:1", "docker.io/a/b", true),
            ("ghcr.io/x/y:v1", "ghcr.io/x/y:v1", "ghcr.io/x/y", true),
            (&format!("ghcr.io/x/y@{digest}"), &format!("ghcr.io/x/y@{digest}"), "ghcr.io/x/y", true),
            (
                &format!("redis:7@{digest}"),
                &format!("docker.io/library/redis@{digest}"),
                "docker.io/library/redis",
                true,
            ),
            ("reg.example:5000/a", "reg.example:5000/a:latest", "reg.example__5000/a", true),
            ("localhost:5001/app", "localhost:5001/app:latest", "app", false),
            ("localhost/app:1", "localhost/app:1", "app", false),
            ("kind-registry:5000/a/b:1", "kind-registry:5000/a/b:1", "a/b", false),
            ("hythe.example:5001/app:1", "hythe.example:5001/app:1", "app", false),
        ] {
            let image = parse(text).unwrap();
            let actual = (image.to_string(), image.repository.to_string(), image.upstream.is_some());
            assert_eq!(actual, (name.to_owned(), repository.to_owned(), upstream), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_a_name_is_refused_with_the_reason() {
        for text in [
            "",
            "Redis",
            "Library/redis",
            "redis:",
            "redis@",
            "redis@sha256:1",
            "redis 7",
            "docker://redis",
            "a/",
            "/a",
            "{{ .Values.image }}",
            "x/y:-",
            "redis:7:8",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not the name of an image")), "{error}");
        }
    }
}
