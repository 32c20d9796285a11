//! The user's builder: which one builds, what it is told, and how its image gets to the registry.

mod arguments;
mod engine;
mod find;
mod program;

use std::path::{Path, PathBuf};

#[cfg(feature = "cluster")]
use hythe_engine::Choice;
use hythe_oci::{Digest, ImageName};

use super::image::Image;
use crate::failure::{BuildError, Failure};
use program::Client;

pub(super) use arguments::Job;

/// A builder that answers.
#[derive(Debug)]
pub(super) struct Builder {
    kind: Kind,
    /// Its programs, and the engine that they use.
    client: Client,
    /// Why Docker does not build, if hythe chose another builder by itself.
    instead: Option<String>,
}

/// The kinds of builders.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// `docker build`, with the builder that the client chooses.
    Docker,
    /// `docker buildx build` in the engine.
    Engine {
        /// Whether the engine keeps images in containerd's store, which takes annotations and the compression of layers.
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
    /// The name for people, with the engine if the user chose its address.
    pub(super) fn description(&self) -> String {
        let engine = match &self.client.address {
            Some(address) if self.program() == "docker" => format!(" in the engine at {address}"),
            _ => String::new(),
        };
        let instead = self.instead.as_ref().map(|why| format!(" (docker {why})")).unwrap_or_default();
        format!("{}{engine}{instead}", self.title())
    }

    /// The name for people.
    pub(super) fn title(&self) -> &'static str {
        match self.kind {
            Kind::Docker => "docker build",
            Kind::Engine { .. } | Kind::Container => "docker buildx build",
            Kind::Podman => "podman build",
            Kind::Buildah => "buildah build",
        }
    }

    /// Whether the image is in an engine after a build, from where `hythe push` can push it.
    #[cfg(feature = "cluster")]
    pub(super) fn is_in_an_engine(&self) -> bool {
        matches!(self.kind, Kind::Docker | Kind::Engine { .. })
    }

    /// The engine that has the image after a build.
    #[cfg(feature = "cluster")]
    pub(super) fn engine(&self) -> crate::args::EngineArgs {
        let engine = self.client.address.clone().map_or(Choice::Docker, Choice::At);
        crate::args::EngineArgs { engine: Some(engine) }
    }

    fn program(&self) -> &'static str {
        match self.kind {
            Kind::Docker | Kind::Engine { .. } | Kind::Container => "docker",
            Kind::Podman => "podman",
            Kind::Buildah => "buildah",
        }
    }

    /// Builds. Returns the manifest's digest if the builder has pushed it already.
    pub(super) async fn build(&self, job: &Job<'_>) -> Result<Option<Digest>, Failure> {
        if self.kind == Kind::Docker {
            bring_aliases(&self.client, job).await?;
        }
        if self.kind != Kind::Container {
            return self.run_build(job, None).await.map(|()| None);
        }
        let failed = |reason: String| self.failed(job.image, reason);
        let folder = folder().map_err(|error| failed(format!("no temporary folder: {error}")))?;
        let file = folder.join("metadata.json");
        let built = self.run_build(job, Some(&file)).await;
        let metadata = std::fs::read(&file).unwrap_or_default();
        let _ = std::fs::remove_dir_all(&folder);
        built?;
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap_or_default();
        let digest = metadata["containerimage.digest"].as_str().and_then(|digest| digest.parse().ok());
        digest.map(Some).ok_or_else(|| failed("it did not say the digest of the image".to_owned()))
    }

    async fn run_build(&self, job: &Job<'_>, metadata: Option<&Path>) -> Result<(), Failure> {
        let arguments = self.kind.arguments(job, metadata);
        self.client.run(self.program(), self.title(), &arguments, job.inline(), job.image).await
    }

    /// Pushes the built image under the tag of its key.
    pub(super) async fn push(&self, job: &Job<'_>) -> Result<(), Failure> {
        let arguments = self.kind.push_arguments(job);
        let title = format!("{} push", self.program());
        self.client.run(self.program(), &title, &arguments, None, job.image).await
    }

    /// Removes the tag of the key from the engine: it is for registries.
    pub(super) fn untag(&self, job: &Job<'_>) {
        let key = job.key.to_string();
        let arguments: &[&str] = match self.kind {
            Kind::Docker | Kind::Engine { .. } => &["image", "rm", "--no-prune", &key],
            Kind::Container => return,
            Kind::Podman if job.is_for_several() => &["manifest", "rm", &key],
            Kind::Podman => &["untag", &key, &key],
            Kind::Buildah => &["rmi", &key],
        };
        // The tag does no harm if it stays.
        let _ = self.client.answer(self.program(), arguments);
    }

    /// The id of an image that the engine has, for a base that no registry has. It is the digest of the image's configuration.
    pub(super) fn image_id(&self, image: &ImageName) -> Option<Digest> {
        let name = image.to_string();
        let id = match self.kind {
            Kind::Docker | Kind::Engine { .. } | Kind::Podman => {
                self.client.answer(self.program(), &["image", "inspect", "--format", "{{.Id}}", &name])
            }
            Kind::Buildah => self
                .client
                .answer("buildah", &["inspect", "--type", "image", "--format", "{{.FromImageID}}", &name]),
            Kind::Container => return None,
        };
        let id = id.ok()?;
        id.parse().or_else(|_| format!("sha256:{id}").parse()).ok()
    }

    fn failed(&self, image: &Image, reason: String) -> Failure {
        BuildError::Program { image: image.name.clone(), command: self.title().to_owned(), reason }.into()
    }
}

/// Gives the engine each base under the name that the Dockerfile uses, if that name leads to another registry.
async fn bring_aliases(client: &Client, job: &Job<'_>) -> Result<(), Failure> {
    for (alias, full) in &job.aliases {
        let (alias, full) = (familiar(alias), full.to_string());
        client.run("docker", "docker pull", &["pull".into(), full.clone().into()], None, job.image).await?;
        client
            .run("docker", "docker tag", &["tag".into(), full.into(), alias.into()], None, job.image)
            .await?;
    }
    Ok(())
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
