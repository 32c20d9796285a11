//! Arguments of `hythe build`.

use std::path::PathBuf;

use clap::ValueEnum;
use hythe_oci::{Platform, Tag};

use super::ConnectionArgs;

pub(super) const BUILD_EXAMPLES: &str = "\
Examples:
  hythe build . -t localhost:5001/app:v1       build an image, unless no input of it changed; push it
  hythe build . -t app --check || echo stale   only answer whether a build is needed
  hythe build src/app                          build the services of src/app/docker-compose.yml; push them as
                                               localhost:5001/app-SERVICE:latest
  hythe build -f compose.yaml web              build one service, and the services that it is based on
  hythe build src/app --node --restart deployment/app
                                               build, and run the images in local clusters
  hythe build                                  build the images of ./hythe.toml, bases first
  hythe build base --rebuild                   build one of them although nothing changed

hythe computes a key from the Dockerfile, the files that it copies, the build arguments and the digests of the base images, and
asks the registry for the image NAME:in-KEY. If the registry has it, nothing is built: the tag moves to that image.

PATH is a folder. With -t it is the context of one image. Otherwise it has a hythe.toml with images, or a Compose file. NAMEs choose
some of these images. An image's name without a registry is completed with the registry of --registry.

Exit codes:
  0   the images are up to date, or were built and pushed
  10  with --check: an image needs a build, or a tag does not exist or names another image
  1   the build, the registry or the builder failed
  2   the command line or the project is wrong";

/// The program that builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BuilderName {
    /// The engine of --engine. Without it Docker, with buildx if it is installed; if Docker is not there, Podman, else Buildah
    #[default]
    Auto,
    /// `docker build`
    Docker,
    /// `docker buildx build`, with its current builder
    Buildx,
    /// `podman build`
    Podman,
    /// `buildah build`
    Buildah,
}

/// The options of `hythe build`.
#[derive(Clone, Debug, clap::Args)]
pub struct BuildArgs {
    /// The folder to build [default: .], and the images or services to build [default: all]
    #[arg(value_name = "PATH|NAME")]
    pub what: Vec<String>,
    /// The image's name and tag; PATH is then its context. Can be given several times
    #[arg(long = "tag", short = 't', value_name = "REFERENCE")]
    pub references: Vec<String>,
    /// The Dockerfile [default: PATH/Dockerfile], or a Compose file (.yaml, .yml)
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The stage to build, of an image that -t names [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// A build argument; without a value it has that of the environment. Can be given several times
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub build_arg: Vec<String>,
    /// A platform to build for [default: the builder's]. Can be given several times
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    pub platform: Vec<Platform>,
    /// An additional context, of an image that -t names. Can be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_context: Vec<String>,
    /// A label of the image. Can be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// A secret for the builder, such as id=token,src=FILE or id=token,env=VARIABLE. It is no input. Can be given several times
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<String>,
    /// An SSH agent or key for the builder, such as default. It is no input. Can be given several times
    #[arg(long, value_name = "SSH")]
    pub ssh: Vec<String>,
    /// The network of `RUN`, such as none or host. It is no input
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Build nothing and set no tag; only answer whether an image needs a build or a tag has to be set (exit code 10)
    #[arg(long, conflicts_with = "rebuild")]
    pub check: bool,
    /// Build also when no input changed
    #[arg(long)]
    pub rebuild: bool,
    /// Take inputs that hythe cannot know for unchanged: `ADD` of a URL without a checksum, git repositories
    #[arg(long)]
    pub trust_remote: bool,
    /// The builder
    #[arg(long, value_enum, default_value_t, value_name = "BUILDER")]
    pub builder: BuilderName,
    /// The registry of names without one: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else
    /// `localhost:5001` or the port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// The tag of names without one, such as those of a Compose file's services [default: latest]
    #[arg(long, value_name = "TAG")]
    pub default_tag: Option<Tag>,
    /// Where to run the images.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub roll_out: super::RollOutArgs,
    /// The engine that builds, and that runs the clusters' nodes.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub engine: super::EngineArgs,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
