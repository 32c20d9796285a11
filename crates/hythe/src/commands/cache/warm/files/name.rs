//! Tells whether a value is the name of an image, by its form and by how surely its key says so.

use hythe_oci::{ImageName, ImageNameError, ImageNameParts};

/// How surely a value's key says that the value is an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The key says so: any valid name is an image.
    Certain,
    /// The key may mean something else: a single word is not taken for an image.
    Likely,
    /// Only the value says so: it has the host of a public registry and a tag, or a digest.
    Evident,
}

/// Why a value is not an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Not {
    pub(super) reason: String,
    /// Whether to tell the user, who could take the value for an image.
    pub(super) told: bool,
}

/// Hosts of public registries. An entry that begins with a dot is a suffix.
const PUBLIC: [&str; 29] = [
    "docker.io",
    "index.docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    ".gcr.io",
    ".pkg.dev",
    "registry.k8s.io",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    ".amazonaws.com",
    ".azurecr.io",
    "nvcr.io",
    "cgr.dev",
    "lscr.io",
    "docker.elastic.co",
    "registry.gitlab.com",
    "registry.redhat.io",
    "registry.access.redhat.com",
    "registry.connect.redhat.com",
    "xpkg.upbound.io",
    "xpkg.crossplane.io",
    "cr.l5d.io",
    "container-registry.oracle.com",
    "docker.redpanda.com",
    "icr.io",
    ".icr.io",
    "reg.kyverno.io",
];

/// Placeholders that controllers replace by an image of their own.
const WORDS: [&str; 7] = ["auto", "none", "default", "latest", "n/a", "changeme", "placeholder"];

/// Endings of names of files that appear under keys of images.
const FILES: [&str; 27] = [
    ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".bmp", ".avif", ".iso", ".img", ".qcow2",
    ".raw", ".vmdk", ".vhd", ".ova", ".tar", ".gz", ".tgz", ".xz", ".zip", ".bin", ".wic", ".pdf", ".html",
    ".yaml", ".json",
];

/// The name of the image that a value is, without a scheme that means a registry. The error says why it is not an
/// image.
pub(super) fn name(text: &str, trust: Trust) -> Result<&str, Not> {
    let text = text.trim();
    let text =
        ["docker://", "docker-image://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let told = trust == Trust::Certain;
    let not = |reason: &str| Err(Not { reason: reason.to_owned(), told });
    let quiet = || Err(Not { reason: String::new(), told: false });
    if text.is_empty() || (trust != Trust::Certain && text.contains(char::is_whitespace)) {
        return quiet();
    }
    let lower = text.to_ascii_lowercase();
    if text.contains("://") {
        return not("an address, not an image");
    }
    if text.starts_with(['/', '.', '~']) {
        return not("a path, not an image");
    }
    if FILES.iter().any(|ending| lower.ends_with(ending))
        && !lower.rsplit('/').next().is_some_and(|last| last.contains(':'))
    {
        return not("a file, not an image");
    }
    if WORDS.contains(&lower.as_str()) {
        return not("a placeholder, not an image");
    }
    let is_sure = match trust {
        Trust::Certain => true,
        Trust::Likely => text.contains(['/', ':', '@']) && !is_address(text),
        Trust::Evident => is_evident(text),
    };
    if !is_sure {
        return quiet();
    }
    let checked: Result<ImageName, ImageNameError> = text.parse();
    checked.map(|_| text).map_err(|error| Not { reason: error.to_string(), told })
}

/// Whether a text is the `HOST:PORT` of a service, not `NAME:TAG`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let named = host == "localhost" || host.contains('.') && !host.contains('/');
    named && port.bytes().all(|c| c.is_ascii_digit())
}

fn is_evident(text: &str) -> bool {
    if let Some((name, hex)) = text.split_once("@sha256:") {
        return name.contains('/') && hex.len() == 64;
    }
    let public = |host: &str| {
        PUBLIC.iter().any(|known| match known.strip_prefix('.') {
            Some(_) => host.ends_with(known),
            None => host == *known,
        })
    };
    let parts = ImageNameParts::of(text);
    parts.is_pinned() && parts.registry.is_some_and(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_an_image_by_its_form_and_its_key() {
        use Trust::{Certain, Evident, Likely};
        let digest = format!("x/y@sha256:{}", "0".repeat(64));
        for (text, trust, expected) in [
            ("redis", Certain, true),
            ("redis", Likely, false),
            ("redis:7", Likely, true),
            ("redis:7", Evident, false),
            ("docker://redis:7", Likely, true),
            ("quay.io/a/b:1", Evident, true),
            ("quay.io/a/b", Evident, false),
            ("eu.gcr.io/a/b:1", Evident, true),
            (&digest, Evident, true),
            ("auto", Certain, false),
            ("nginx.png", Certain, false),
            ("img/logo.svg", Likely, false),
            ("https://x/logo", Certain, false),
            ("/a/b", Certain, false),
            ("localhost:5000", Likely, false),
            ("my.host:80", Likely, false),
            ("Not A Name", Certain, false),
        ] {
            assert_eq!(name(text, trust).is_ok(), expected, "{text} {trust:?}");
        }
        assert_eq!(name("docker://redis:7", Certain), Ok("redis:7"));
    }
}
