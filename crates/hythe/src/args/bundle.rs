//! Arguments of `hythe bundle`.

use std::path::PathBuf;

use clap::Subcommand;
use hythe_oci::{ImageName, Platform, RepositoryName};

use super::ConnectionArgs;
use crate::values::parse_size;

/// The smallest chunk, in bytes.
const LEAST_CHUNK: u64 = 1 << 20;

pub(super) const BUNDLE_EXAMPLES: &str = "\
Examples:
  hythe bundle create images.tar redis:7 localhost:5001/app:v1
                                               write images to one file
  hythe bundle load images.tar                 load them on another machine, under the same names";

const CREATE_EXAMPLES: &str = "\
Examples:
  hythe bundle create images.tar redis:7 localhost:5001/app:v1
                                               bundle two images
  hythe bundle create images.tar -f compose.yaml --platform linux/arm64
                                               bundle the images that a file names, for another machine
  hythe bundle create all.tar --all-cached     bundle everything in the cache
  hythe bundle create shop.tar --from-cluster kind-shop
                                               bundle all that the Pods of a cluster run
  hythe bundle create dvd.tar -f k8s/ --chunk-size 4GiB
                                               write dvd.tar.001, dvd.tar.002, …, and the list dvd.tar.json
  hythe bundle create new.tar -f k8s/ --since old.tar
                                               leave out the blobs that an earlier bundle has

The exit code is 1 if an image could not be read; then no file is written. skopeo, crane and oras read a bundle too: it is an
OCI layout in a tar archive.";

const LOAD_EXAMPLES: &str = "\
Examples:
  hythe bundle load images.tar                 load into the registry on this machine
  hythe bundle load /media/*/dvd.tar.*         load chunks, in any order
  hythe bundle load images.tar --registry https://registry.example --prefix mirror
                                               push into another registry, below mirror/

The exit code is 1 if an image could not be loaded. Run the command again to continue: what is there is skipped.";

/// The options of `hythe bundle`.
#[derive(Clone, Debug, clap::Args)]
pub struct BundleArgs {
    /// The subcommand.
    #[command(subcommand)]
    pub command: BundleCommand,
}

/// The subcommands of `hythe bundle`.
#[derive(Clone, Debug, Subcommand)]
pub enum BundleCommand {
    /// Write images to one file
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Box<BundleCreateArgs>),
    /// Load the images of a bundle into a registry, under unchanged names
    #[command(after_help = LOAD_EXAMPLES)]
    Load(Box<BundleLoadArgs>),
}

/// The options of `hythe bundle create`.
#[derive(Clone, Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct BundleCreateArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    pub bundle: PathBuf,
    /// The images
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageName>,
    /// A file that names images, as for `hythe cache warm`; - is stdin. Can be given several times
    #[arg(long, short, value_name = "FILE")]
    pub file: Vec<String>,
    /// Bundle the images that the Pods of a cluster run, by a context of the kubeconfig, with the digests and for the
    /// platforms that its nodes run. Can be given several times
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "CONTEXT")]
    pub from_cluster: Vec<String>,
    /// Bundle the images that the nodes of a kind, k3d or minikube cluster have, also those that no Pod runs. Can be
    /// given several times
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// The engine of these nodes.
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    pub engine: super::EngineArgs,
    /// Bundle all images in the registry's cache, with the platforms that are there
    #[arg(long)]
    pub all_cached: bool,
    /// Bundle this platform of an index, such as linux/arm64. Can be given several times [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all_platforms")]
    pub platform: Vec<Platform>,
    /// Bundle all platforms that the registry has
    #[arg(long)]
    pub all_platforms: bool,
    /// Also bundle signatures, attestations and all other referrers
    #[arg(long)]
    pub all: bool,
    /// Leave out the blobs of an earlier bundle: its file, the list of its chunks, or its hythe-bundle.json. The registry
    /// that loads the new bundle must have loaded the earlier one
    #[arg(long, value_name = "BUNDLE")]
    pub since: Option<PathBuf>,
    /// Write chunks of this size, FILE.001 and so on, and a list with their checksums, FILE.json
    #[arg(long, value_name = "SIZE", value_parser = chunk_size)]
    pub chunk_size: Option<u64>,
    /// Leave out images that cannot be read, and list them in the bundle
    #[arg(long)]
    pub skip_missing: bool,
    /// Read each image from its own registry instead of the cache
    #[arg(long, conflicts_with = "all_cached")]
    pub direct: bool,
    /// The registry with the images and the cache: a URL, or HOST[:PORT] [default: `HYTHE_REGISTRY`, else
    /// `localhost:5001` or the port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// The options of `hythe bundle load`.
#[derive(Clone, Debug, clap::Args)]
pub struct BundleLoadArgs {
    /// The bundle: its file, or its chunks in any order. If FILE.json and the chunks are in one folder, FILE is enough
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The registry: a URL, or HOST[:PORT] [default: `HYTHE_REGISTRY`, else `localhost:5001` or the port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Push every image below this path, without the name of its registry: for a registry that is not hythe
    #[arg(long, value_name = "PATH")]
    pub prefix: Option<RepositoryName>,
    /// Blobs that are loaded at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// How to reach the registry.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

fn chunk_size(text: &str) -> Result<u64, String> {
    let size = parse_size(text).map_err(|error| error.to_string())?;
    if size < LEAST_CHUNK { Err("a chunk has at least 1MiB".to_owned()) } else { Ok(size) }
}
