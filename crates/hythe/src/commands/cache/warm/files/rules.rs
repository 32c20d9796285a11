//! The rules that tell which keys have images, and which only seem to.

use super::kind::Kind;
use super::name::Trust;

/// Keys below which no value is an image: texts for people, schemas, and selectors.
const SKIPPED: [&str; 12] = [
    "labels",
    "matchLabels",
    "matchExpressions",
    "selector",
    "openAPIV3Schema",
    "managedFields",
    "description",
    "message",
    "documentation",
    "changelog",
    "repoDigests",
    "status",
];

/// Keys of scripts, whose words are not searched.
const SCRIPTS: [&str; 6] = ["script", "before_script", "after_script", "run", "commands", "source"];

/// First parts of keys that end in `image` but mean a picture, a disk, or a switch.
const OTHER_IMAGES: [&str; 40] = [
    "vm",
    "os",
    "disk",
    "machine",
    "boot",
    "node",
    "background",
    "bg",
    "hero",
    "logo",
    "cover",
    "og",
    "profile",
    "thumbnail",
    "thumb",
    "icon",
    "banner",
    "favicon",
    "splash",
    "preview",
    "featured",
    "social",
    "header",
    "raw",
    "iso",
    "ami",
    "cloud",
    "guest",
    "golden",
    "snapshot",
    "share",
    "twitter",
    "avatar",
    "use",
    "is",
    "has",
    "build",
    "push",
    "show",
    "feature",
];

/// Places whose images are not pulled: the object's kind, the last keys of the path, and the reason. `*` is any text.
const NOT_PULLED: [(&str, &[&str], &str); 14] = [
    ("IstioOperator", &["proxy", "image"], "only a part of a name: Istio adds its hub and tag"),
    ("IstioOperator", &["proxy_init", "image"], "only a part of a name: Istio adds its hub and tag"),
    ("*", &["machine", "image"], "a virtual machine's image"),
    ("skaffold", &["artifacts", "image"], "built, not pulled"),
    ("skaffold", &["test", "image"], "built, not pulled"),
    ("skaffold", &["portForward", "image"], "built, not pulled"),
    ("ImageRepository", &["spec", "image"], "a repository whose tags are listed but not pulled"),
    ("*", &["output", "image"], "pushed by a build, not pulled"),
    ("Image", &["spec", "tag"], "built, not pulled"),
    ("cloudbuild", &["images"], "pushed by a build, not pulled"),
    ("ClusterImagePolicy", &["images"], "a pattern of a policy"),
    ("ConstraintTemplate", &["*"], "a policy"),
    ("ClusterPolicy", &["pattern", "*"], "a pattern of a policy"),
    ("CustomResourceDefinition", &["schema", "*"], "a part of a schema"),
];

/// Flags whose value is the destination of an image, not its source.
const DESTINATIONS: [&str; 7] = ["destination", "dest", "tag", "t", "target", "push", "output"];

/// Endings of names of variables that hold a part of an image's name, or something else about it.
const PARTS: [&str; 16] = [
    "_TAG",
    "_POLICY",
    "_REGISTRY",
    "_REPOSITORY",
    "_REPO",
    "_VERSION",
    "_SECRET",
    "_SECRETS",
    "_PATH",
    "_DIR",
    "_URL",
    "_PREFIX",
    "_SUFFIX",
    "_SIZE",
    "_TYPE",
    "_PULL",
];

pub(super) fn is_skipped(key: &str) -> bool {
    SKIPPED.contains(&key)
}

pub(super) fn is_script(key: &str) -> bool {
    SCRIPTS.contains(&key)
}

/// Why the image at this place is not pulled.
pub(super) fn not_pulled(object: &str, path: &[String]) -> Option<&'static str> {
    let is_last = |wanted: &[&str]| {
        wanted.len() <= path.len()
            && wanted.iter().rev().zip(path.iter().rev()).all(|(wanted, key)| *wanted == "*" || wanted == key)
    };
    let within = |wanted: &[&str]| path.iter().any(|key| wanted.first().is_some_and(|first| first == key));
    let listed = NOT_PULLED.iter().find(|(kind, wanted, _)| {
        (*kind == "*" || *kind == object)
            && if wanted.last() == Some(&"*") { wanted.len() == 1 || within(wanted) } else { is_last(wanted) }
    });
    // Cluster API and KubeVirt have machines; some of their disks are images.
    let is_machine = object.contains("Machine") && !object.starts_with("Docker");
    let is_container =
        path.iter().any(|key| matches!(key.as_str(), "containerDisk" | "container" | "containers"));
    listed
        .map(|(_, _, why)| *why)
        .or_else(|| (is_machine && !is_container).then_some("a virtual machine's image"))
}

/// How surely a key's value is an image, and the rule that says so; `None` if the key says nothing about it.
pub(super) fn trust(key: &str, kind: Kind, object: &str, path: &[String]) -> Option<(Trust, &'static str)> {
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let within = |name: &str| path.iter().any(|key| key == name);
    let at_root = path.len() <= 1;
    if path.iter().rev().nth(1).is_some_and(|parent| matches!(parent.as_str(), "data" | "stringData"))
        && kind == Kind::Object
    {
        return plain.ends_with("image").then_some((Trust::Likely, "a key of a ConfigMap"));
    }
    // A pipeline's variables count where the pipeline uses them.
    if matches!(kind, Kind::GitHub | Kind::GitLab)
        && (within("env") || within("variables") || within("outputs"))
    {
        return None;
    }
    match plain.as_str() {
        // An input of an action may also be the image that the action builds.
        "image" if kind == Kind::GitHub && within("with") => Some((Trust::Likely, "image")),
        // Inputs of a plugin, variables, and keys at the root (a page's picture, for example) are images only if their
        // values look like images.
        "image" if kind == Kind::Other && within("settings") => None,
        "image" if key != "image" => Some((Trust::Likely, "a variable")),
        "image" if kind == Kind::Other && at_root => Some((Trust::Likely, "image")),
        "image" => Some((Trust::Certain, "image")),
        "dockerimage" | "containerimage" if !within("data") => {
            Some((Trust::Certain, "a key that ends in image"))
        }
        "package" if ["Provider", "Configuration", "Function"].contains(&object) => {
            Some((Trust::Certain, "package"))
        }
        "container" if kind == Kind::GitHub && path.len() == 3 => Some((Trust::Certain, "container")),
        "container" => Some((Trust::Likely, "container")),
        "builder" if object == "skaffold" => Some((Trust::Certain, "builder")),
        "name" if kind == Kind::CloudBuild && path.len() == 2 && path[0] == "steps" => {
            Some((Trust::Certain, "a step's name"))
        }
        _ => {
            let stem = [
                "image",
                "imagename",
                "imageref",
                "imagereference",
                "imageuri",
                "imageurl",
                "imagetag",
                "imagepath",
            ]
            .iter()
            .find_map(|end| plain.strip_suffix(end))?;
            let other = OTHER_IMAGES.contains(&stem) || plain.ends_with("imagetag") && stem.is_empty();
            (!other).then_some((Trust::Likely, "a key that ends in image"))
        }
    }
}

/// Whether the value of a variable with this name is one image.
pub(super) fn is_image_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    let is_word = |word: &str| word == "IMAGE" || word == "IMG" || word.ends_with("IMAGE");
    name.split('_').any(is_word) && !PARTS.iter().any(|part| name.ends_with(part))
}

/// The image that a program's argument gives, as in `--x-image=IMAGE`.
pub(super) enum Argument<'a> {
    Image(&'a str),
    /// A flag without a value (`--x-image`): the next argument is the image.
    Next,
    /// Another option, whose value may still clearly be an image.
    Other(&'a str),
    None,
}

pub(super) fn argument(text: &str) -> Argument<'_> {
    let Some(flag) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')) else {
        return match text.split_once('=') {
            // `key=value` of Helm's --set, and of a shell's environment.
            Some((name, value)) if is_image_variable(name) => Argument::Image(value),
            _ => Argument::None,
        };
    };
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    };
    if DESTINATIONS.contains(&name) || name.contains("cache") {
        return Argument::None;
    }
    match (is_image_variable(name), value) {
        // `--map=NAME=IMAGE`.
        (true, Some(value)) => Argument::Image(value.split_once('=').map_or(value, |(_, value)| value)),
        (true, None) => Argument::Next,
        (false, Some(value)) => Argument::Other(value.split_once('=').map_or(value, |(_, value)| value)),
        (false, None) => Argument::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_with_an_image_are_told_from_variables_with_a_part_of_its_name() {
        for name in [
            "RELATED_IMAGE_X",
            "IMAGE",
            "SIDECAR_IMAGE",
            "IMAGE_NAME",
            "proxyImage",
            "acme-http01-solver-image",
        ] {
            assert!(is_image_variable(name), "{name}");
        }
        for name in ["IMAGE_TAG", "IMAGE_PULL_POLICY", "IMAGE_REPOSITORY", "IMAGES", "IMAGINE"] {
            assert!(!is_image_variable(name), "{name}");
        }
    }

    #[test]
    fn places_that_only_seem_to_have_images_are_known() {
        let path = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
        for (object, keys, expected) in [
            ("skaffold", &["build", "artifacts", "image"][..], true),
            ("skaffold", &["build", "artifacts", "kaniko", "image"], false),
            ("HetznerMachineTemplate", &["spec", "template", "spec", "imageName"], true),
            ("VirtualMachine", &["spec", "volumes", "containerDisk", "image"], false),
            ("Deployment", &["spec", "containers", "image"], false),
            ("", &["jobs", "build", "machine", "image"], true),
            ("Build", &["spec", "output", "image"], true),
        ] {
            assert_eq!(not_pulled(object, &path(keys)).is_some(), expected, "{object} {keys:?}");
        }
    }
}
