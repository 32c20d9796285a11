//! What a builder is told.

use std::ffi::OsString;
use std::path::Path;

use hythe_build::{ContextSource, DockerfileSource};
use hythe_oci::{Digest, ImageName};

use super::super::image::Image;
use super::{Kind, familiar};

/// The annotations that name the base of an image (image-spec, Pre-Defined Annotation Keys).
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// A build.
#[derive(Debug)]
pub(in crate::commands::build) struct Job<'a> {
    pub(in crate::commands::build) image: &'a Image,
    /// The name under which the image is pushed: its repository, with the tag of the key.
    pub(in crate::commands::build) key: ImageName,
    /// The image that the final stage is built on, with the digest in its registry.
    pub(in crate::commands::build) base: Option<(ImageName, Digest)>,
    /// Whether the builder asks registries for bases that it has already: it does, unless a registry could not be asked.
    pub(in crate::commands::build) pull: bool,
    /// Names of bases in the Dockerfile that lead to another registry than that of the image which they mean.
    pub(in crate::commands::build) aliases: Vec<(ImageName, ImageName)>,
    /// Whether the registry is reached by plain HTTP.
    pub(in crate::commands::build) plain_http: bool,
}

impl Job<'_> {
    /// The text of the Dockerfile, if it is in no file.
    pub(in crate::commands::build) fn inline(&self) -> Option<&str> {
        match &self.image.recipe.dockerfile {
            DockerfileSource::Inline(text) => Some(text),
            DockerfileSource::Path(_) => None,
        }
    }

    /// Whether the image is for several platforms: an index.
    pub(in crate::commands::build) fn is_for_several(&self) -> bool {
        self.image.recipe.platforms.len() > 1
    }
}

impl Kind {
    /// The arguments of the build.
    pub(super) fn arguments(&self, job: &Job<'_>, metadata: Option<&Path>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match self {
            Self::Docker | Self::Podman | Self::Buildah => vec!["build".into()],
            Self::Engine { .. } | Self::Container => vec!["buildx".into(), "build".into()],
        };
        let mut add = |flag: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            arguments.push(flag.into());
            arguments.push(value.as_ref().to_owned());
        };
        let image = job.image;
        match &image.recipe.dockerfile {
            DockerfileSource::Path(path) => add("--file", path),
            DockerfileSource::Inline(_) => add("--file", &"-"),
        }
        if let Some(target) = &image.recipe.target {
            add("--target", target);
        }
        for (name, value) in &image.recipe.args {
            if image.inherited.contains(name) {
                add("--build-arg", name);
            } else {
                add("--build-arg", &format!("{name}={value}"));
            }
        }
        if !image.recipe.platforms.is_empty() {
            let platforms: Vec<String> = image.recipe.platforms.iter().map(ToString::to_string).collect();
            add("--platform", &platforms.join(","));
        }
        for (name, source) in &image.recipe.contexts {
            let value = match source {
                ContextSource::Folder(folder) => folder.display().to_string(),
                ContextSource::Image(image) => format!("docker-image://{image}"),
                ContextSource::Other(address) => address.clone(),
            };
            add("--build-context", &format!("{name}={value}"));
        }
        if *self != Self::Docker {
            for (alias, full) in &job.aliases {
                add("--build-context", &format!("{}=docker-image://{full}", familiar(alias)));
            }
        }
        for secret in &image.extras.secrets {
            add("--secret", secret);
        }
        for ssh in &image.extras.ssh {
            add("--ssh", ssh);
        }
        if let Some(network) = &image.extras.network {
            add("--network", network);
        }
        for (name, value) in &image.recipe.labels {
            add("--label", &format!("{name}={value}"));
        }
        // Docker's own store has no annotations: there, labels say the same.
        let annotation = match self {
            Self::Docker | Self::Engine { in_containerd: false } => "--label",
            Self::Engine { in_containerd: true } | Self::Container | Self::Podman | Self::Buildah => {
                "--annotation"
            }
        };
        if let Some((name, digest)) = &job.base {
            add(annotation, &format!("{BASE_NAME}={name}"));
            add(annotation, &format!("{BASE_DIGEST}={digest}"));
        }
        self.outputs(job, metadata, &mut add);
        if *self == Self::Podman && job.is_for_several() {
            // With its cache, Podman 4.3 takes the image of one platform for that of another.
            arguments.push("--layers=false".into());
        }
        let pulls = job.pull && (*self != Self::Docker || job.aliases.is_empty());
        if pulls {
            arguments.push("--pull".into());
        }
        if job.plain_http && matches!(self, Self::Podman | Self::Buildah) {
            arguments.push("--tls-verify=false".into());
        }
        arguments.push(image.recipe.context.clone().into());
        arguments
    }

    /// The options that name the image, and say where it goes.
    fn outputs(
        &self,
        job: &Job<'_>,
        metadata: Option<&Path>,
        add: &mut dyn FnMut(&str, &dyn AsRef<std::ffi::OsStr>),
    ) {
        let key = &job.key;
        if *self == Self::Container {
            // By digest: the tag of the key is set only after another look at the registry.
            let insecure = if job.plain_http { ",registry.insecure=true" } else { "" };
            let name = format!("{}/{}", key.registry(), key.repository());
            add("--output", &format!("type=image,name={name},push=true,push-by-digest=true{insecure}"));
            if let Some(path) = metadata {
                add("--metadata-file", &path);
            }
            return;
        }
        if matches!(self, Self::Podman | Self::Buildah) && job.is_for_several() {
            add("--manifest", &key.to_string());
            return;
        }
        for reference in &job.image.references {
            add("--tag", &reference.written);
            let full = reference.full.to_string();
            if full != reference.written {
                add("--tag", &full);
            }
        }
        add("--tag", &key.to_string());
        match self {
            // The engine compresses new layers while it builds. zstd takes less time than gzip, here and where the image is
            // unpacked. Layers of bases stay as they are.
            Self::Engine { in_containerd: true } if key.registry().is_loopback() => {
                add("--output", &"type=image,compression=zstd,oci-mediatypes=true,unpack=true");
            }
            Self::Engine { .. } => add("--output", &"type=docker"),
            _ => {}
        }
    }

    /// The arguments of the push.
    pub(super) fn push_arguments(&self, job: &Job<'_>) -> Vec<OsString> {
        let key = job.key.to_string();
        let mut arguments: Vec<OsString> = Vec::new();
        let is_index = job.is_for_several() && matches!(self, Self::Podman | Self::Buildah);
        if is_index {
            arguments.extend(["manifest".into(), "push".into(), "--all".into()]);
        } else {
            arguments.push("push".into());
        }
        if job.plain_http && matches!(self, Self::Podman | Self::Buildah) {
            arguments.push("--tls-verify=false".into());
        }
        arguments.push(key.clone().into());
        if is_index {
            arguments.push(format!("docker://{key}").into());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use hythe_build::Recipe;

    use super::super::super::image::{Extras, Reference};
    use super::*;

    fn image() -> Image {
        let full: ImageName = "localhost:5001/app:v1".parse().unwrap();
        Image {
            name: "app".to_owned(),
            references: vec![Reference { written: "app:v1".to_owned(), full }],
            recipe: Recipe {
                context: "ctx".into(),
                dockerfile: DockerfileSource::Path("ctx/Dockerfile".into()),
                target: Some("prod".to_owned()),
                args: [("A", "1"), ("B", "secret")].map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
                platforms: Vec::new(),
                contexts: [("lib".to_owned(), ContextSource::Folder("../lib".into()))].into(),
                labels: BTreeMap::new(),
                images: BTreeMap::new(),
            },
            inherited: BTreeSet::from(["B".to_owned()]),
            extras: Extras { secrets: vec!["id=t,env=T".to_owned()], ..Extras::default() },
        }
    }

    fn said(builder: &Kind, job: &Job<'_>) -> String {
        let words = builder.arguments(job, Some(Path::new("/m")));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_builder_is_told_the_same_in_its_own_words() {
        let image = image();
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let job = Job {
            image: &image,
            key: "localhost:5001/app:in-000000000000000000000000".parse().unwrap(),
            base: Some(("docker.io/library/redis:7".parse().unwrap(), digest)),
            pull: true,
            aliases: vec![(
                "docker.io/library/base:latest".parse().unwrap(),
                "localhost:5001/base:latest".parse().unwrap(),
            )],
            plain_http: true,
        };
        let common =
            "--file ctx/Dockerfile --target prod --build-arg A=1 --build-arg B --build-context lib=../lib";
        let docker = said(&Kind::Docker, &job);
        assert!(
            docker.starts_with(&format!(
                "build {common} --secret id=t,env=T --label org.opencontainers.image.base.name="
            )),
            "{docker}"
        );
        assert!(docker.ends_with(" --tag app:v1 --tag localhost:5001/app:v1 --tag localhost:5001/app:in-000000000000000000000000 ctx"));
        let engine = said(&Kind::Engine { in_containerd: true }, &job);
        assert!(engine.starts_with(&format!(
            "buildx build {common} --build-context base=docker-image://localhost:5001/base:latest"
        )));
        assert!(engine.contains("--annotation org.opencontainers.image.base.digest=sha256:aaa"), "{engine}");
        assert!(engine.contains("compression=zstd") && engine.ends_with(" --pull ctx"), "{engine}");
        let container = said(&Kind::Container, &job);
        assert!(
            container.contains("name=localhost:5001/app,push=true,push-by-digest=true")
                && !container.contains("--tag")
        );
        let podman = said(&Kind::Podman, &job);
        assert!(podman.ends_with("--pull --tls-verify=false ctx"), "{podman}");
    }

    #[test]
    fn podman_pushes_an_index_as_a_manifest() {
        let mut image = image();
        image.recipe.platforms = vec!["linux/amd64".parse().unwrap(), "linux/arm64".parse().unwrap()];
        let key: ImageName = "localhost:5001/app:in-000000000000000000000000".parse().unwrap();
        let job = Job { image: &image, key, base: None, pull: false, aliases: Vec::new(), plain_http: false };
        let build = said(&Kind::Podman, &job);
        assert!(
            build.contains("--platform linux/amd64,linux/arm64")
                && build.contains("--manifest localhost:5001/app:in-0")
        );
        let push = Kind::Podman.push_arguments(&job);
        assert_eq!(push[..3], ["manifest", "push", "--all"]);
    }
}
