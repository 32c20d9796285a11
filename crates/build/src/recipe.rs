//! What is built: everything that the user's builder is told and that changes the image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hythe_oci::{ImageName, Platform};

/// Everything that the user's builder is told and that changes the image. Secrets, ssh agents, the network of `RUN`, and the
/// size of `/dev/shm` are not part of it.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The folder that `COPY` and `ADD` read.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: DockerfileSource,
    /// The stage to build; `None` means the last one.
    pub target: Option<String>,
    /// Build arguments (`--build-arg`). Only those that the Dockerfile declares where they matter enter the key.
    pub args: BTreeMap<String, String>,
    /// The platforms to build for; empty means this machine's.
    pub platforms: Vec<Platform>,
    /// Additional contexts by name (`--build-context`), also those that replace a base image.
    pub contexts: BTreeMap<String, ContextSource>,
    /// Labels that the builder adds (`--label`).
    pub labels: BTreeMap<String, String>,
    /// What the configurations of base images say, by the image's name as in [`Base::image`](crate::Base::image). [`read`](crate::read)
    /// cannot ask a registry: a caller that learns a configuration calls `read` again. It must always give the same facts for the
    /// same digest of a base, also offline, because they decide which files enter the key.
    pub images: BTreeMap<ImageName, ImageFacts>,
}

/// The parts of an image's configuration that decide which files a build on it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// `config.Env`: `NAME=value`. Without it, a source that names a variable of the base image means the whole context.
    pub env: Vec<String>,
    /// `config.OnBuild`: instructions that run in each stage built on the image.
    pub on_build: Vec<String>,
}

/// The place of a Dockerfile.
#[derive(Clone, Debug)]
pub enum DockerfileSource {
    /// A file. `NAME.dockerignore` beside it takes the place of the context's `.dockerignore`.
    Path(PathBuf),
    /// A text, such as Compose's `dockerfile_inline`.
    Inline(String),
}

/// What an additional context is.
#[derive(Clone, Debug)]
pub enum ContextSource {
    /// A folder of this machine.
    Folder(PathBuf),
    /// An image of a registry (`docker-image://`).
    Image(ImageName),
    /// A source whose content only the builder knows, as it was written: a git repository, an archive behind http(s).
    Other(String),
}
