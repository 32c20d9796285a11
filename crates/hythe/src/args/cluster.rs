//! What is asked of the registry beside the clusters of this machine, and of those clusters.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use hythe_cluster::deploy::{DEFAULT_NAME, DEFAULT_NAMESPACE, Namespace, Target, ValueError};
use hythe_cluster::engine::Choice;
use hythe_cluster::hosts::Endpoint;

use crate::config::Environment;

/// For `--help`.
pub const UP_EXAMPLES: &str = "\
Examples:
  hythe up                                     on localhost:5001, wired into every cluster that runs
  hythe up --port 5000 --name docker-registry  under other names
  hythe up --data ./registry-data              its data in a folder
  hythe up --watch                             and into every cluster that will run, as a service of this user
  hythe up --adopt                             in the place of the registry:2 that has the name
  hythe up --process                           until Ctrl-C, as a process of this machine";

/// For `--help`.
pub const DOWN_EXAMPLES: &str = "\
Examples:
  hythe down                                   the data stays, for the next `hythe up`
  hythe down --delete-data                     the data goes too";

/// For `--help`.
pub const STATUS_EXAMPLES: &str = "\
Examples:
  hythe status
  hythe status --output json | jq '.clusters[].nodes[]'";

/// For `--help`.
pub const LOGS_EXAMPLES: &str = "\
Examples:
  hythe logs --tail 100
  hythe logs -f";

/// For `--help`.
pub const UPGRADE_EXAMPLES: &str = "\
Examples:
  hythe upgrade                                to this binary; back to the one before where it does not get ready
  hythe upgrade --binary ./hythe-linux-arm64   to another one";

/// For `--help`.
pub const ATTACH_EXAMPLES: &str = "\
Examples:
  hythe attach trading-cluster                 one cluster, also one that was detached
  hythe attach --all                           every cluster that runs and was not detached
  hythe attach --all --dry-run                 what would be changed, as diffs
  hythe attach --client podman                 this machine's Podman
  hythe attach --in-cluster                    the nodes to the registry that `hythe deploy` runs in their cluster
  hythe attach --watch                         and every node that appears, until Ctrl-C";

/// For `--help`.
pub const DETACH_EXAMPLES: &str = "\
Examples:
  hythe detach trading-cluster                 it is left alone until `hythe attach trading-cluster`";

/// For `--help`.
pub const KIND_CONFIG_EXAMPLES: &str = "\
Examples:
  hythe kind-config | kind create cluster --config -
  hythe kind-config kind.yaml > wired.yaml     the user's own file, with what it needs
  hythe kind-config --host-path ./registry     with a folder for the data of a registry in the cluster";

/// A client of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LocalClient {
    /// Podman, Buildah and Skopeo: `registries.conf.d`.
    Podman,
    /// Builders of buildx: `buildkitd.default.toml`.
    Buildkit,
    /// dockerd: `registry-mirrors` in `daemon.json`.
    Docker,
}

impl LocalClient {
    /// Its name, as people say it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Podman => "Podman",
            Self::Buildkit => "BuildKit",
            Self::Docker => "dockerd",
        }
    }
}

/// For `--help`.
pub const IMAGE_EXAMPLES: &str = "\
Examples:
  docker tag $(hythe image) hythe              for a Compose file in which it takes registry:2's place
  hythe image --save hythe.tar                 for a machine without hythe";

/// Where the image goes.
#[derive(Clone, Debug, Args)]
pub struct ImageArgs {
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// A file for it, as `docker save` writes them; - is stdout [default: it is loaded into the engine]
    #[arg(long, value_name = "FILE")]
    pub save: Option<String>,
    /// hythe's Linux binary, where this one is none [default: this one]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// Which engine.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// The container engine: docker, podman, or the address of its socket [default: what `docker` would use, else Podman]
    #[arg(long, global = true, value_name = "ENGINE", env = "HYTHE_ENGINE")]
    pub engine: Option<Choice>,
}

/// Which registry.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// The registry's container, and its name in the clusters' networks
    #[arg(long, value_name = "NAME", env = "REG_NAME", default_value = "kind-registry")]
    pub name: String,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Which registry clusters are wired to.
#[derive(Clone, Debug, Args)]
pub struct WiredArgs {
    /// The registry's container, and its name in the clusters' networks [default: kind-registry; `REG_NAME`]; of one in the cluster, its name there [default: registry]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The registry that `hythe deploy` runs in the cluster, in the place of one beside it
    #[arg(long, conflicts_with = "client")]
    pub in_cluster: bool,
    /// The namespace of a registry in the cluster [default: registry]
    #[arg(long, short, value_name = "NAMESPACE", requires = "in_cluster")]
    pub namespace: Option<Namespace>,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
}

impl WiredArgs {
    /// The registry beside the clusters.
    pub fn beside(&self, environment: &Environment) -> NameArgs {
        let variable = environment.variables.get("REG_NAME").and_then(|name| name.to_str());
        let name = self.name.as_deref().or(variable).unwrap_or("kind-registry");
        NameArgs { name: name.to_owned(), engine: self.engine.clone() }
    }

    /// The registry in a cluster.
    pub fn in_cluster(&self) -> Result<Target, ValueError> {
        Ok(Target {
            namespace: self.namespace.clone().map_or_else(|| DEFAULT_NAMESPACE.parse(), Ok)?,
            name: self.name.as_deref().unwrap_or(DEFAULT_NAME).parse()?,
        })
    }
}

/// How the registry is to run.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct UpArgs {
    /// Which registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// The port on this machine; manifests and pushes name `localhost:PORT` [default: 5001, or what it has]
    #[arg(long, value_name = "PORT", env = "REG_PORT")]
    pub port: Option<u16>,
    /// The address on this machine; any other than loopback is reached by the network [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<IpAddr>,
    /// A further port on this machine that answers for Docker Hub alone, for dockerd's registry-mirrors; an empty one takes it back
    #[arg(long, value_name = "PORT", value_parser = port_or_none)]
    pub mirror_port: Option<u16>,
    /// A further name in the clusters' networks. Can be given several times; an empty one takes them back
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// A folder of this machine for the data [default: a volume of the engine, NAME-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A volume of the engine for the data [default: NAME-data]
    #[arg(long, value_name = "VOLUME", conflicts_with = "data")]
    pub volume: Option<String>,
    /// A configuration file of hythe's, for the registry; an empty one takes it back
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub config: Option<PathBuf>,
    /// A setting of `hythe serve`, as in its configuration. Can be given several times; an empty one takes them back
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// hythe's Linux binary, where this one is none [default: this one]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Take the place of another registry's container, which has this name or this port, with its data
    #[arg(long, conflicts_with_all = ["data", "volume"])]
    pub adopt: bool,
    /// Run the registry as a process of this machine for as long as this command runs, in the place of a container; nodes come by the gateways of their networks
    #[arg(long, conflicts_with_all = ["address", "adopt", "alias", "binary", "dry_run", "mirror_port", "volume", "watch"])]
    pub process: bool,
    /// Leave the clusters as they are
    #[arg(long, conflicts_with = "watch")]
    pub no_attach: bool,
    /// Attach clusters and nodes that appear later too: installs a service of this user that does
    #[arg(long)]
    pub watch: bool,
    /// Replace what others wrote for upstreams in nodes, keeping copies
    #[arg(long)]
    pub force: bool,
    /// Print what would be done to clusters, as diffs, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before the data of a registry moves elsewhere
    #[arg(long, short)]
    pub yes: bool,
}

/// A port, or 0 where none is wanted.
fn port_or_none(text: &str) -> Result<u16, std::num::ParseIntError> {
    if text.is_empty() { Ok(0) } else { text.parse() }
}

/// What is stopped, and what goes with it.
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// Which registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Delete the data too, once that is confirmed
    #[arg(long)]
    pub delete_data: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Which log, and how much of it.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// Which registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Go on printing what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only the last lines
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
}

/// What it is upgraded to.
#[derive(Clone, Debug, Args)]
pub struct UpgradeArgs {
    /// Which registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// hythe's Linux binary [default: this one]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// Which clusters are wired, and how.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct AttachArgs {
    /// The clusters, by the names that kind, k3d and minikube give them
    #[arg(value_name = "CLUSTER", conflicts_with = "all")]
    pub clusters: Vec<String>,
    /// Which registry.
    #[command(flatten)]
    pub target: WiredArgs,
    /// Where nodes reach a registry in the cluster, such as `http://10.0.0.9:5000` [default: its Service's address]
    #[arg(long, value_name = "URL", requires = "in_cluster")]
    pub endpoint: Option<Endpoint>,
    /// Every cluster that runs and was not detached
    #[arg(long)]
    pub all: bool,
    /// Wire a client of this machine by its own file: podman, buildkit, docker. Can be given several times
    #[arg(long, value_name = "CLIENT", value_enum)]
    pub client: Vec<LocalClient>,
    /// Go on with clusters and nodes that appear, until it is ended
    #[arg(long, conflicts_with_all = ["clusters", "dry_run", "in_cluster"])]
    pub watch: bool,
    /// Replace what others wrote for upstreams, keeping copies
    #[arg(long, conflicts_with = "in_cluster")]
    pub force: bool,
    /// Print what would be done, as diffs, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which clusters are left alone.
#[derive(Clone, Debug, Args)]
pub struct DetachArgs {
    /// The clusters
    #[arg(value_name = "CLUSTER", required_unless_present = "client")]
    pub clusters: Vec<String>,
    /// Take back what was written for a client of this machine. Can be given several times
    #[arg(long, value_name = "CLIENT", value_enum)]
    pub client: Vec<LocalClient>,
    /// Which registry.
    #[command(flatten)]
    pub target: WiredArgs,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What a cluster of kind's is made with.
#[derive(Clone, Debug, Args)]
pub struct KindConfigArgs {
    /// The user's own configuration, whose words and order stay; - is stdin
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// A folder of this machine for a registry in the cluster, at /mnt/local-storage/registry of each node
    #[arg(long, value_name = "FOLDER")]
    pub host_path: Option<PathBuf>,
    /// Map this node port (30000 to 32767), which a registry in the cluster has, to the same port of this machine's
    /// loopback; 30500 where no port is named
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "30500")]
    pub node_port: Option<u16>,
}
