//! Arguments of the commands about images in any registry.

use std::path::PathBuf;

use hythe_oci::{Authority, ImageName, Pattern, Platform};

use crate::values::{ImagePlace, parse_duration};

pub(super) const COPY_EXAMPLES: &str = "\
Examples:
  hythe copy redis:7 localhost:5001/redis      copy an image of Docker Hub, with all its platforms
  hythe copy ghcr.io/x/app localhost:5001/app --tag 'v1.*' --tag latest
                                               copy several tags
  hythe copy localhost:5001/app:v1 registry.example/app --all
                                               copy an image with its signatures and other referrers
  hythe copy redis:7 ./redis.tar               write an image to a file; docker load reads it too
  hythe copy ./redis.tar localhost:5001/redis:7
  hythe copy redis:7 oci:./layout --dry-run    show what a copy would move
  hythe copy localhost:5001/app:next localhost:5001/app:dev --node --restart deployment/app
                                               move a tag, and run what it names now in local clusters
  hythe copy docker:app:dev oci:./layout       copy an image of the container engine

SRC and DST are the name of an image in a registry; oci:FOLDER for an OCI layout; archive:FILE for an archive; or
docker-daemon:NAME and containers-storage:NAME for an image in Docker and Podman (short: docker:NAME:TAG, podman:NAME:TAG). A
path that begins with . or / needs no prefix. A tag may follow: oci:FOLDER:TAG.";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  hythe ls                                     list the repositories of the registry on this machine
  hythe ls registry.example                    list those of another registry
  hythe ls --filter 'team/*'                   list some of them";

pub(super) const TAGS_EXAMPLES: &str = "\
Examples:
  hythe tags localhost:5001/app                list the tags of a repository
  hythe tags ghcr.io/x/app --filter 'v1.*' --long
                                               list some tags, with their digests and platforms";

pub(super) const INSPECT_EXAMPLES: &str = "\
Examples:
  hythe inspect redis:7                        show platforms, sizes and digests
  hythe inspect localhost:5001/app:v1 --platform linux/arm64
                                               show one platform with its layers
  hythe inspect localhost:5001/app --output json | jq -r '.[0].digest'";

pub(super) const RM_EXAMPLES: &str = "\
Examples:
  hythe rm localhost:5001/app:v1               delete a tag; other tags of the same image stay
  hythe rm localhost:5001/app@sha256:…         delete a manifest with all its tags
  hythe rm localhost:5001/app --tag 'pr-*' --older-than 30d --dry-run
                                               show which tags would be deleted
  hythe rm localhost:5001/app --tag 'pr-*' && hythe gc --delete-untagged
                                               delete tags, and free their space

The exit code is 1 if something could not be deleted. hythe still tries everything else.";

/// How commands connect to the registries that names of images name.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConnectionArgs {
    /// A registry to reach by plain HTTP, as registries on this machine are. Can be given several times
    #[arg(long, value_name = "HOST[:PORT]")]
    pub plain_http: Vec<Authority>,
    /// A PEM file of certificate authorities to trust beside the system's. Can be given several times
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// A host with a private address that a registry may redirect to or name as its token server. Can be given several times
    #[arg(long, value_name = "HOST[:PORT]")]
    pub private_host: Vec<Authority>,
}

/// The options of `hythe copy`.
#[derive(Clone, Debug, clap::Args)]
pub struct CopyArgs {
    /// The image to copy
    #[arg(value_name = "SRC")]
    pub source: ImagePlace,
    /// Where to copy it to. Without a tag it gets the tag of SRC
    #[arg(value_name = "DST")]
    pub target: ImagePlace,
    /// A tag of SRC to copy, in the place of its own; * matches any text. Input tags are not copied, unless a pattern begins
    /// with in-. Can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub tag: Vec<Pattern>,
    /// Also copy signatures, attestations and all other referrers
    #[arg(long)]
    pub all: bool,
    /// Copy only this platform of an index, such as linux/arm64. The index keeps its digest. Can be given several times
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Vec<Platform>,
    /// Copy nothing; show what would be copied
    #[arg(long)]
    pub dry_run: bool,
    /// Blobs that are copied at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Where to run the copy.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub roll_out: super::RollOutArgs,
    /// The engine of docker: and podman: places, and of the clusters' nodes.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub engine: super::EngineArgs,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

#[cfg(feature = "cluster")]
impl CopyArgs {
    /// Whether SRC or DST is in a container engine.
    pub fn has_engine(&self) -> bool {
        [&self.source, &self.target].into_iter().any(|place| matches!(place, ImagePlace::Engine { .. }))
    }
}

/// The options of `hythe ls`.
#[derive(Clone, Debug, clap::Args)]
pub struct LsArgs {
    /// The registry: HOST[:PORT] [default: `HYTHE_REGISTRY`, else `localhost:5001` or the port in `REG_PORT`]
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// List only repositories that match; * matches any text
    #[arg(long, value_name = "PATTERN")]
    pub filter: Option<Pattern>,
    /// How to reach the registry.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The options of `hythe tags`.
#[derive(Clone, Debug, clap::Args)]
pub struct TagsArgs {
    /// The repository, such as localhost:5001/app
    #[arg(value_name = "REPOSITORY")]
    pub repository: ImageName,
    /// List only tags that match; * matches any text
    #[arg(long, value_name = "PATTERN")]
    pub filter: Option<Pattern>,
    /// Also list input tags: `in-` and 24 hex digits, which builds compute from the inputs of an image
    #[arg(long)]
    pub all: bool,
    /// Also show each tag's digest, size and platforms. This asks the registry for each tag
    #[arg(long, short)]
    pub long: bool,
    /// How to reach the registry.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The options of `hythe inspect`.
#[derive(Clone, Debug, clap::Args)]
pub struct InspectArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageName>,
    /// Show the layers of this platform, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<Platform>,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The options of `hythe rm`.
#[derive(Clone, Debug, clap::Args)]
pub struct RmArgs {
    /// The images. A name with a tag means the tag alone; a name with a digest means the manifest with all its tags
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageName>,
    /// The tags to delete, of a name without a tag; * matches any text. Input tags stay, unless a pattern begins with in-.
    /// Can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub tag: Vec<Pattern>,
    /// Let patterns also delete input tags: `in-` and 24 hex digits, which builds compute from the inputs of an image
    #[arg(long)]
    pub all: bool,
    /// Delete only images that were built longer ago, such as 30d. An image that does not say when it was built stays
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub older_than: Option<std::time::Duration>,
    /// Delete nothing; show what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
