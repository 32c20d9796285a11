//! Images whose names are written in parts: `{registry, repository, tag, digest}`, and `{name, newName, newTag}` of
//! Kustomize.

use hythe_oci::ImageNameParts;
use hythe_yaml::{Node, Scalar};

/// A name that was put together from its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether it has a tag or a digest.
    pub(super) pinned: bool,
}

/// Keys of the name itself, in any mapping.
const NAMES: [&str; 3] = ["repository", "imageRepository", "image_repository"];
/// Keys of the name itself, within a mapping whose own key is that of an image.
const NAMES_WITHIN: [&str; 8] =
    ["repository", "repo", "imageRepository", "name", "image", "imageName", "reference", "ref"];
const REGISTRIES: [&str; 4] = ["registry", "imageRegistry", "hub", "domain"];
const TAGS: [&str; 3] = ["tag", "imageTag", "image_tag"];
const VERSIONS: [&str; 2] = ["version", "appVersion"];
const DIGESTS: [&str; 4] = ["digest", "imageDigest", "sha", "sha256"];

/// Whether a key has a part of a name.
pub(super) fn is_part(key: &str) -> bool {
    NAMES.contains(&key)
        || NAMES_WITHIN.contains(&key)
        || REGISTRIES.contains(&key)
        || TAGS.contains(&key)
        || DIGESTS.contains(&key)
}

/// The image that a mapping describes. `named` says that the mapping's own key is one of an image, so that `name` and
/// `image` within it are parts of the name.
pub(super) fn described(map: &Node, named: bool) -> Option<Whole> {
    let keys: &[&str] = if named { &NAMES_WITHIN } else { &NAMES };
    let is_word = |key: &&str| scalar(map, key).is_some_and(|scalar| scalar.word().is_some());
    let key = keys.iter().copied().find(is_word)?;
    let name = scalar(map, key)?;
    let has_tag = map
        .entries()
        .iter()
        .any(|entry| TAGS.contains(&entry.name()) || DIGESTS[..2].contains(&entry.name()));
    if !named && !has_tag {
        return None;
    }
    let mut whole =
        whole(name.value()?, first(map, &REGISTRIES), tag(map, named), first(map, &DIGESTS), name.line);
    if let Some(suffix) = map.text("tagSuffix").filter(|_| whole.pinned && !whole.text.contains('@')) {
        whole.text.push_str(suffix);
    }
    // With an empty `repository`, the chart fills in the name.
    whole.pinned &=
        key == "repository" || scalar(map, "repository").is_none_or(|empty| empty.value().is_some());
    Some(whole)
}

/// An image under a key such as `image`, its tag, registry or digest under keys beside it.
pub(super) fn beside(map: &Node, key: &str, text: &str, line: usize) -> Whole {
    let stem = ["Repository", "_repository", "-repository", "Name", "_name", "-name"]
        .iter()
        .find_map(|end| key.strip_suffix(end));
    let stems =
        [Some(key), stem, key.strip_suffix("Image"), key.strip_suffix("_image"), key.strip_suffix("-image")];
    let about = |what: &str| {
        let capital: String = what[..1].to_ascii_uppercase() + &what[1..];
        stems.iter().flatten().find_map(|stem| {
            [format!("{stem}{capital}"), format!("{stem}_{what}"), format!("{stem}-{what}")]
                .iter()
                .find_map(|key| map.text(key))
        })
    };
    let plain = matches!(
        key,
        "image" | "imageName" | "imageRepository" | "image_name" | "image_repository" | "repository"
    );
    let tag = about("tag").or_else(|| map.text("tag").filter(|_| plain)).or_else(|| about("version"));
    let registry = about("registry").or_else(|| map.text("registry").filter(|_| plain));
    let digest = about("digest").or_else(|| first(map, &DIGESTS).filter(|_| plain));
    whole(text, registry, tag, digest, line)
}

/// The image of an entry of Kustomize's `images`; `None` if the entry leaves the tag to the resource.
pub(super) fn replaced(entry: &Node) -> Option<Whole> {
    let line = entry.entries().first()?.key.start.line;
    let name = entry.text("newName").or_else(|| entry.text("name"))?;
    let (tag, digest) = (entry.text("newTag"), entry.text("digest"));
    let whole = whole(name, None, tag, digest, line);
    whole.pinned.then_some(whole)
}

/// Whether an item is an entry of Kustomize's `images`.
pub(super) fn is_replacement(item: &Node) -> bool {
    item.child("name").is_some()
        && ["newName", "newTag", "digest"].iter().any(|key| item.child(key).is_some())
}

fn scalar<'a>(map: &'a Node, key: &str) -> Option<&'a Scalar> {
    map.child(key)?.scalar()
}

fn first<'a>(map: &'a Node, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|key| map.text(key))
}

fn tag(map: &Node, named: bool) -> Option<&str> {
    first(map, &TAGS).or_else(|| first(map, &VERSIONS).filter(|_| named))
}

fn whole(name: &str, registry: Option<&str>, tag: Option<&str>, digest: Option<&str>, line: usize) -> Whole {
    let name = name.trim_matches('/');
    let mut text = match registry.map(|registry| registry.trim_end_matches('/')) {
        Some(registry)
            if !registry.is_empty()
                && !registry.contains("://")
                && ImageNameParts::of(name).registry.is_none() =>
        {
            format!("{registry}/{name}")
        }
        _ => name.to_owned(),
    };
    let tag = tag.map(|tag| tag.trim_start_matches(':')).filter(|tag| !tag.is_empty());
    let digest = digest.map(|digest| digest.trim_start_matches('@')).filter(|digest| !digest.is_empty());
    if let Some(tag) = tag.filter(|_| !ImageNameParts::of(name).is_pinned()) {
        // Some charts accept a digest as the tag.
        text.push(if tag.starts_with("sha256:") { '@' } else { ':' });
        text.push_str(tag);
    }
    if let Some(digest) = digest.filter(|_| !text.contains('@')) {
        let is_hex = digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_hexdigit());
        text.push_str(if is_hex { "@sha256:" } else { "@" });
        text.push_str(digest);
    }
    let pinned = ImageNameParts::of(&text).is_pinned();
    Whole { text, line, pinned }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::cache::warm::files::text::documents;

    #[test]
    fn parts_make_a_name() {
        let hex = "0".repeat(64);
        for (text, named, expected) in [
            ("{repository: a/b, tag: 1.20}", false, Some("a/b:1.20")),
            ("{registry: quay.io, repository: a/b, tag: v1}", true, Some("quay.io/a/b:v1")),
            ("{registry: docker.io, repository: quay.io/a/b, tag: v1}", true, Some("quay.io/a/b:v1")),
            ("{name: a, tag: 1}", true, Some("a:1")),
            ("{name: a, tag: 1}", false, None),
            ("{repository: a, tag: ''}", true, Some("a")),
            (&format!("{{repository: a, digest: sha256:{hex}}}"), true, Some(&format!("a@sha256:{hex}"))),
            (&format!("{{repository: a, tag: 1, sha: {hex}}}"), true, Some(&format!("a:1@sha256:{hex}"))),
            ("{reference: 'a:1', pullPolicy: Always}", true, Some("a:1")),
            ("{registry: '', repository: '', name: a, tag: 1}", true, Some("a:1")),
            ("{repository: 'a:2', tag: 1}", true, Some("a:2")),
        ] {
            let document = &documents(text, 1).trees[0];
            assert_eq!(described(document, named).map(|whole| whole.text).as_deref(), expected, "{text}");
        }
        let document =
            &documents("{image: a, imageTag: 1, sidecarImage: b, sidecarTag: 2, c: d}", 1).trees[0];
        assert_eq!(beside(document, "image", "a", 1).text, "a:1");
        assert_eq!(beside(document, "sidecarImage", "b", 1).text, "b:2");
    }
}
