//! The user's builder: which one builds, what it is told, and how its image gets to the registry.

mod arguments;
mod program;

use std::path::{Path, PathBuf};

use hythe_oci::{Digest, ImageName};

use super::image::Image;
use crate::args::BuilderName;
use crate::failure::{BuildError, Failure};
use program::{answer, works};

pub(super) use arguments::Job;

/// A builder that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Builder {
    /// `docker build`, with the builder that the client chooses.
    Docker,
    /// `docker buildx build` in the engine.
    Engine {
        /// Whether the engine keeps images in containerd's store, which takes annotations and layers without compression.
        in_containerd: bool,
    },
    /// `docker buildx build` in a builder of its own, which pushes the image itself.
    Container,
    /// Podman.
    Podman,
    /// Buildah.
    Buildah,
}

impl Builder {
    /// The builder to use: the one of this name, or the first one that answers.
    pub(super) fn find(name: BuilderName) -> Result<Self, Failure> {
        let has_docker = || answer("docker", &["version", "--format", "{{.Server.Version}}"]);
        let missing = |reason: String| BuildError::NoBuilder { reason };
        match name {
            BuilderName::Auto => {
                let Err(docker) = has_docker() else {
                    return Ok(if works("docker", &["buildx", "version"]) { buildx() } else { Self::Docker });
                };
                if works("podman", &["--version"]) {
                    return Ok(Self::Podman);
                }
                if works("buildah", &["--version"]) {
                    return Ok(Self::Buildah);
                }
                Err(missing(format!("docker {docker}; podman and buildah are not installed")).into())
            }
            BuilderName::Docker => match has_docker() {
                Ok(_) => Ok(Self::Docker),
                Err(why) => Err(missing(format!("docker {why}")).into()),
            },
            BuilderName::Buildx => match answer("docker", &["buildx", "version"]) {
                Ok(_) => Ok(buildx()),
                Err(why) => Err(missing(format!("docker buildx {why}")).into()),
            },
            BuilderName::Podman => match answer("podman", &["--version"]) {
                Ok(_) => Ok(Self::Podman),
                Err(why) => Err(missing(format!("podman {why}")).into()),
            },
            BuilderName::Buildah => match answer("buildah", &["--version"]) {
                Ok(_) => Ok(Self::Buildah),
                Err(why) => Err(missing(format!("buildah {why}")).into()),
            },
        }
    }

    /// The name for people.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Docker => "docker build",
            Self::Engine { .. } | Self::Container => "docker buildx build",
            Self::Podman => "podman build",
            Self::Buildah => "buildah build",
        }
    }

    /// Whether the image is in an engine after a build, from where `hythe push` can push it.
    #[cfg(feature = "cluster")]
    pub(super) fn is_in_an_engine(&self) -> bool {
        matches!(self, Self::Docker | Self::Engine { .. })
    }

    fn program(&self) -> &'static str {
        match self {
            Self::Docker | Self::Engine { .. } | Self::Container => "docker",
            Self::Podman => "podman",
            Self::Buildah => "buildah",
        }
    }

    /// Builds. Returns the manifest's digest if the builder has pushed it already.
    pub(super) fn build(&self, job: &Job<'_>) -> Result<Option<Digest>, Failure> {
        if *self == Self::Docker {
            bring_aliases(job)?;
        }
        if *self != Self::Container {
            return self.run_build(job, None).map(|()| None);
        }
        let failed = |reason: String| self.failed(job.image, reason);
        let folder = folder().map_err(|error| failed(format!("no temporary folder: {error}")))?;
        let file = folder.join("metadata.json");
        let built = self.run_build(job, Some(&file));
        let metadata = std::fs::read(&file).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&folder);
        built?;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap_or_default();
        let digest = metadata["containerimage.digest"].as_str().and_then(|digest| digest.parse().ok());
        digest.map(Some).ok_or_else(|| failed("it did not say the digest of the image".to_owned()))
    }

    fn run_build(&self, job: &Job<'_>, metadata: Option<&Path>) -> Result<(), Failure> {
        let arguments = self.arguments(job, metadata);
        program::run(self.program(), self.title(), &arguments, job.inline(), job.image)
    }

    /// Pushes the built image under the tag of its key.
    pub(super) fn push(&self, job: &Job<'_>) -> Result<(), Failure> {
        let arguments = self.push_arguments(job);
        let title = format!("{} push", self.program());
        program::run(self.program(), &title, &arguments, None, job.image)
    }

    /// Removes the tag of the key from the engine: it is for registries.
    pub(super) fn untag(&self, job: &Job<'_>) {
        let key = job.key.to_string();
        let arguments: &[&str] = match self {
            Self::Docker | Self::Engine { .. } => &["image", "rm", "--no-prune", &key],
            Self::Container => return,
            Self::Podman if job.is_for_several() => &["manifest", "rm", &key],
            Self::Podman => &["untag", &key, &key],
            Self::Buildah => &["rmi", &key],
        };
        // The tag does no harm if it stays.
        let _ = answer(self.program(), arguments);
    }

    /// The id of an image that the engine has, for a base that no registry has. It is the digest of the image's configuration.
    pub(super) fn image_id(&self, image: &ImageName) -> Option<Digest> {
        let name = image.to_string();
        let id = match self {
            Self::Docker | Self::Engine { .. } | Self::Podman => {
                answer(self.program(), &["image", "inspect", "--format", "{{.Id}}", &name])
            }
            Self::Buildah => {
                answer("buildah", &["inspect", "--type", "image", "--format", "{{.FromImageID}}", &name])
            }
            Self::Container => return None,
        };
        let id = id.ok()?;
        id.parse().or_else(|_| format!("sha256:{id}").parse()).ok()
    }

    fn failed(&self, image: &Image, reason: String) -> Failure {
        BuildError::Program { image: image.name.clone(), command: self.title().to_owned(), reason }.into()
    }
}

/// Gives the engine each base under the name that the Dockerfile uses, if that name leads to another registry.
fn bring_aliases(job: &Job<'_>) -> Result<(), Failure> {
    for (alias, full) in &job.aliases {
        let (alias, full) = (familiar(alias), full.to_string());
        program::run("docker", "docker pull", &["pull".into(), full.clone().into()], None, job.image)?;
        program::run("docker", "docker tag", &["tag".into(), full.into(), alias.into()], None, job.image)?;
    }
    Ok(())
}

/// Where the current builder of buildx runs.
fn buildx() -> Builder {
    let said = answer("docker", &["buildx", "inspect"]).unwrap_or_default();
    let driver = said.lines().find_map(|line| Some(line.strip_prefix("Driver:")?.trim().to_owned()));
    if driver.is_some_and(|driver| driver != "docker") {
        return Builder::Container;
    }
    let status = answer("docker", &["info", "--format", "{{json .DriverStatus}}"]).unwrap_or_default();
    Builder::Engine { in_containerd: status.contains("io.containerd.snapshotter") }
}

/// The name of an image as Docker shows it, and as a Dockerfile has it: without what Docker completes.
fn familiar(image: &ImageName) -> String {
    let text = image.to_string();
    let text = text.strip_prefix("docker.io/").unwrap_or(&text);
    let text = text.strip_prefix("library/").unwrap_or(text);
    text.strip_suffix(":latest").unwrap_or(text).to_owned()
}

/// A new folder for a file that the builder writes.
fn folder() -> std::io::Result<PathBuf> {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let path = std::env::temp_dir().join(format!("hythe-build-{}-{nanos}", std::process::id()));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // Fails if the folder exists, so that nobody else can have prepared it.
    builder.create(&path)?;
    Ok(path)
}
