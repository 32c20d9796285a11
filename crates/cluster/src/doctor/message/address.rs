//! Finds the URLs and the names of images in a message.

use super::locality::{self, Locality};

/// Characters that end a URL or a name in a sentence.
const ENDS: [char; 14] = [' ', '\t', '\n', '\r', '"', '\'', '`', '\\', '<', '>', ',', ')', '(', ';'];

/// The kind of a registry's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `/v2/`, which clients request before anything else.
    Base,
    /// A manifest.
    Manifest,
    /// A blob, or an upload of one.
    Blob,
    /// A token, or anything else.
    Other,
}

/// A URL of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// The position in the message, in bytes.
    pub(super) at: usize,
    /// The host and its port, as they are written.
    pub(super) authority: &'a str,
    pub(super) path: Path,
    /// The registry in `?ns=`, for whose images a mirror is asked.
    pub(super) of: Option<String>,
}

/// The URLs of registries in a text in lower case, and whether the text has other URLs.
pub(super) fn urls(text: &str) -> (Vec<Url<'_>>, bool) {
    let mut found = Vec::new();
    let mut has_other = false;
    for (colon, _) in text.match_indices("://") {
        let scheme =
            text[..colon].rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
        if !matches!(scheme, "http" | "https") {
            continue;
        }
        let rest = &text[colon + 3..];
        let url = rest[..rest.find(ENDS).unwrap_or(rest.len())].trim_end_matches([':', '.', ']', '}']);
        let (authority, path) = url.split_at(url.find(['/', '?']).unwrap_or(url.len()));
        if authority.is_empty() {
            continue;
        }
        match path_of(authority, path) {
            Some(kind) => {
                let of = path.split(['?', '&']).find_map(|part| part.strip_prefix("ns="));
                let of = of.map(|name| name.replace("%3a", ":"));
                found.push(Url { at: colon, authority, path: kind, of });
            }
            None => has_other = true,
        }
    }
    (found, has_other)
}

/// The kind of a path; none if it is not a registry's.
fn path_of(authority: &str, path: &str) -> Option<Path> {
    // Docker Hub and others redirect to other hosts for blobs, whose paths are their own.
    let is_hosted = Locality::of(authority) == Locality::Hub
        || ["pkg-containers.", "cdn", "storage.googleapis."].iter().any(|start| authority.starts_with(start));
    if path.contains("/manifests/") {
        Some(Path::Manifest)
    } else if path.contains("/blobs/") {
        Some(Path::Blob)
    } else if matches!(path, "/v2" | "/v2/" | "/v1/_ping" | "/v1/") || path.starts_with("/v1/repositories/") {
        Some(Path::Base)
    } else if path.starts_with("/v2/") || path.contains("/token?") || path.ends_with("/token") || is_hosted {
        Some(Path::Other)
    } else {
        None
    }
}

/// The words before the name of an image, in lower case, in the order in which they are searched. After words that end
/// without a quote or bracket a name is an image only if it looks like one: `for X` has many meanings.
const BEFORE: [&str; 32] = [
    "failed to pull image \"",
    "unpack image \"",
    "resolve reference \"",
    "back-off pulling image \"",
    "pulling image \"",
    "pull image \"",
    "pushing image \"",
    "refers to repository [",
    "refers to a repository [",
    "push permission for \"",
    "pushed image: ",
    "docker://",
    "oci://",
    "container registry ",
    "docker registry ",
    "access denied for ",
    "manifest for ",
    "metadata for ",
    "failed to push ",
    "failed to resolve image \"",
    "trying to pull ",
    "docker push ",
    "docker pull ",
    "podman push ",
    "podman pull ",
    "crictl pull ",
    "on source: ",
    "on destination: ",
    "with the tag: ",
    "tag does not exist: ",
    "image \"",
    "image ",
];

/// The host of the first image that a text in lower case names, and whether the name has a port. The host is
/// `docker.io` if the name has none.
pub(super) fn image(text: &str) -> Option<(&str, bool)> {
    BEFORE.iter().find_map(|before| {
        let mut rests = text.match_indices(before).map(|(at, _)| &text[at + before.len()..]);
        rests.find_map(|rest| {
            let rest = rest.trim_start_matches("docker://");
            let name = rest
                [..rest.find(|letter| ENDS.contains(&letter) || letter == ']').unwrap_or(rest.len())]
                .trim_end_matches([':', '.']);
            host(
                name,
                before.ends_with(['"', '[']) || before.contains("denied for"),
                before.ends_with("registry "),
            )
        })
    })
}

/// The host of the first word that can only be the name of an image: at a public registry, or at a host with a port.
pub(super) fn hosted(text: &str) -> Option<(&str, bool)> {
    let words = text.split(ENDS).filter(|word| !word.contains("://"));
    words.filter_map(|word| word.split_once('/')).find_map(|(first, _)| {
        let has_port = locality::port(first).is_some();
        (has_port || matches!(Locality::of(first), Locality::Hub | Locality::Public))
            .then_some((first, has_port))
    })
}

/// The host of an image's name. `is_certain` says that the words before it precede nothing but images; otherwise the
/// name has to look like an image's. `is_registry` says that the name may be a registry without a path.
fn host(name: &str, is_certain: bool, is_registry: bool) -> Option<(&str, bool)> {
    let is_written = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_written) {
        return None;
    }
    let first = name.split('/').next().unwrap_or_default();
    let has_path = name.contains('/');
    let is_host = first.contains('.') || first == "localhost" || locality::port(first).is_some();
    if is_host && (has_path || is_registry) {
        return Some((first, locality::port(first).is_some()));
    }
    (!is_registry && (is_certain || has_path || name.contains(':'))).then_some(("docker.io", false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_a_registrys_url_from_others() {
        let text = "head \"http://kind-registry:5000/v2/app/manifests/v1?ns=localhost%3a5001\": get https://box/v2/: x; get \
            \"https://10.96.0.1:443/api?timeout=32s\"";
        let (found, has_other) = urls(text);
        let shown: Vec<_> = found.iter().map(|url| (url.authority, url.path, url.of.as_deref())).collect();
        assert_eq!(
            shown,
            [("kind-registry:5000", Path::Manifest, Some("localhost:5001")), ("box", Path::Base, None)]
        );
        assert!(has_other);
    }

    #[test]
    fn an_image_is_found_by_the_words_before_it() {
        for (text, expected) in [
            ("failed to pull image \"localhost:5001/app:v1\": x", Some(("localhost:5001", true))),
            ("the push refers to repository [ghcr.io/a/b]", Some(("ghcr.io", false))),
            ("pull access denied for app, repository does not exist", Some(("docker.io", false))),
            ("pinging container registry box:5001: get", Some(("box:5001", true))),
            ("manifest for nginx:nope not found", Some(("docker.io", false))),
            ("copying image to destination", None),
            ("image \"${image}\" is odd", None),
        ] {
            assert_eq!(image(text), expected, "{text}");
        }
    }
}
