//! Arguments of the commands that move images between a container engine and registries.

use hythe_oci::{ImageName, Platform};

use super::{ConnectionArgs, EngineArgs, RollOutArgs};

pub(super) const PUSH_EXAMPLES: &str = "\
Examples:
  hythe push app:dev                           push to the registry on this machine, as localhost:5001/app:dev
  hythe push ghcr.io/team/app:v1               push to the registry that the name names
  hythe push app:dev localhost:5001/team/app:v2
                                               push under another name
  hythe push web:dev api:dev registry.example/team/
                                               push several images below a path
  hythe push oci:./layout localhost:5001/app:v1
                                               push an OCI layout; archive:FILE is an archive of docker save
  hythe push app:dev --node --restart deployment/app
                                               push, and run the image in local clusters
  docker save app:dev | hythe push - localhost:5001/app:dev
                                               push the archive on stdin

Of two names, the second is TARGET if it names a registry. hythe asks the registry which layers it has, reads only the
others, and compresses nothing on the way to this machine. It prints which way the layers took.";

/// The way by which `hythe push` gets the layers of an engine's image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Via {
    /// The engine's store if hythe can read it, else the engine's own push.
    #[default]
    Auto,
    /// Read the layers in the engine's store; fail if that is not possible.
    Store,
    /// Let the engine push.
    Engine,
}

/// How `hythe push` compresses the layers that it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum CompressionChoice {
    /// None to this machine and private networks, gzip elsewhere.
    #[default]
    Auto,
    /// None.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// The options of `hythe push`.
#[derive(Clone, Debug, clap::Args)]
pub struct PushArgs {
    /// The images of the container engine to push, by name or id; oci:FOLDER, archive:FILE or - (stdin) push an OCI layout
    /// or an archive. The last may be TARGET: a name with a registry for one image, or HOST/PATH/ for several [default
    /// TARGET: the image's own name; if that names no registry, the registry of `HYTHE_REGISTRY`, else `localhost:5001` or
    /// the port in `REG_PORT`]
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// The way to an engine's layers: auto; store (hythe reads the engine's disk, if need be by a helper container); or
    /// engine (the engine's own push)
    #[arg(long, value_enum, default_value_t, value_name = "WAY", hide_possible_values = true)]
    pub via: Via,
    /// How to compress the layers that hythe reads: auto (not at all to this machine and to private addresses, gzip
    /// elsewhere), none, gzip or zstd. Layers that the registry has stay as they are there
    #[arg(long, value_enum, default_value_t, value_name = "HOW", hide_possible_values = true)]
    pub compression: CompressionChoice,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Blobs that are pushed at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Where to run the images.
    #[command(flatten)]
    pub roll_out: RollOutArgs,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

pub(super) const PULL_EXAMPLES: &str = "\
Examples:
  hythe pull localhost:5001/app:dev            pull into the engine that `docker` uses
  hythe pull ghcr.io/team/app:v1 --engine podman
  hythe pull redis:7 --platform linux/arm64    pull an image for another platform

The engine pulls itself if it can reach the registry. Otherwise hythe reads the image and loads it into the engine.";

/// The options of `hythe pull`.
#[derive(Clone, Debug, clap::Args)]
pub struct PullArgs {
    /// The images, in the form that docker pull takes
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageName>,
    /// The platform, such as linux/arm64 [default: the engine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
