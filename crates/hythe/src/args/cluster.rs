//! The arguments of commands about the registry on this machine and about this machine's clusters.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use hythe_cluster::hosts::Endpoint;
use hythe_engine::Choice;
use hythe_kube::deploy::{DEFAULT_NAME, DEFAULT_NAMESPACE, Namespace, Target, ValueError};

use crate::config::Environment;

/// The examples in `hythe up --help`.
pub const UP_EXAMPLES: &str = "\
Examples:
  hythe up                                     run on localhost:5001, attach all running clusters
  hythe up --port 5000 --name docker-registry  use another port and name
  hythe up --data ./registry-data              keep the data in a folder
  hythe up --watch                             also attach clusters that start later
  hythe up --adopt                             replace the registry:2 that has the name
  hythe up --process                           run as a process of this machine, until Ctrl-C";

/// The examples in `hythe down --help`.
pub const DOWN_EXAMPLES: &str = "\
Examples:
  hythe down                                   keep the data for the next `hythe up`
  hythe down --delete-data                     also delete the data";

/// The examples in `hythe status --help`.
pub const STATUS_EXAMPLES: &str = "\
Examples:
  hythe status
  hythe status --output json | jq '.clusters[].nodes[]'";

/// The examples in `hythe logs --help`.
pub const LOGS_EXAMPLES: &str = "\
Examples:
  hythe logs --tail 100
  hythe logs -f";

/// The examples in `hythe upgrade --help`.
pub const UPGRADE_EXAMPLES: &str = "\
Examples:
  hythe upgrade                                run this binary; return to the old one if it fails
  hythe upgrade --binary ./hythe-linux-arm64   run another binary";

/// The examples in `hythe attach --help`.
pub const ATTACH_EXAMPLES: &str = "\
Examples:
  hythe attach trading-cluster                 attach one cluster, even if it was detached
  hythe attach --all                           attach all running clusters that were not detached
  hythe attach --all --dry-run                 print the changes as diffs
  hythe attach --client podman                 configure Podman on this machine
  hythe attach --in-cluster                    use the registry that `hythe deploy` runs
  hythe attach --watch                         also attach nodes that start later, until Ctrl-C";

/// The examples in `hythe detach --help`.
pub const DETACH_EXAMPLES: &str = "\
Examples:
  hythe detach trading-cluster                 detach until `hythe attach trading-cluster`";

/// The examples in `hythe kind-config --help`.
pub const KIND_CONFIG_EXAMPLES: &str = "\
Examples:
  hythe kind-config | kind create cluster --config -
  hythe kind-config kind.yaml > wired.yaml     extend your own configuration
  hythe kind-config --host-path ./registry     mount a folder for a registry in the cluster";

/// A client on this machine that hythe can configure.
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
    /// The client's name in messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Podman => "Podman",
            Self::Buildkit => "BuildKit",
            Self::Docker => "dockerd",
        }
    }
}

/// The examples in `hythe image --help`.
pub const IMAGE_EXAMPLES: &str = "\
Examples:
  docker tag $(hythe image) hythe              name the image, to use it in a Compose file
  hythe image --save hythe.tar                 write the image, for a machine without hythe";

/// The options of `hythe image`.
#[derive(Clone, Debug, Args)]
pub struct ImageArgs {
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Write the image to this file, in the format of `docker save`; - is stdout [default: load it into the engine]
    #[arg(long, value_name = "FILE")]
    pub save: Option<String>,
    /// hythe's Linux binary, needed if this binary is not for Linux [default: this binary]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// The option that chooses the container engine.
#[derive(Clone, Debug, Args)]
pub struct EngineArgs {
    /// The container engine: docker, podman, or the address of a socket [default: the engine that `docker` would use,
    /// else Podman]
    #[arg(long, global = true, value_name = "ENGINE", env = "HYTHE_ENGINE")]
    pub engine: Option<Choice>,
}

/// The options that choose the registry on this machine.
#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// The name of the registry's container, and its host name in the clusters' networks
    #[arg(long, value_name = "NAME", env = "REG_NAME", default_value = "kind-registry")]
    pub name: String,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// The options that choose the registry of attached clusters.
#[derive(Clone, Debug, Args)]
pub struct WiredArgs {
    /// The name of the registry's container, and its host name in the clusters' networks [default: `REG_NAME`, else
    /// kind-registry]; with --in-cluster, the registry's name in the cluster [default: registry]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Use the registry that `hythe deploy` runs in the cluster, instead of the container on this machine
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
    /// The registry on this machine, beside the clusters.
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

/// The options of `hythe up`.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct UpArgs {
    /// The registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// The port on this machine; use `localhost:PORT` in image names [default: the registry's current port; 5001 for a
    /// new registry]
    #[arg(long, value_name = "PORT", env = "REG_PORT")]
    pub port: Option<u16>,
    /// The address on this machine; other machines can reach any address but a loopback one [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<IpAddr>,
    /// A second port on this machine that serves Docker Hub only, for `registry-mirrors` of dockerd; an empty value
    /// removes it
    #[arg(long, value_name = "PORT", value_parser = port_or_none)]
    pub mirror_port: Option<u16>,
    /// Another host name of the registry in the clusters' networks. Can be given several times; an empty value removes
    /// all
    #[arg(long, value_name = "NAME")]
    pub alias: Vec<String>,
    /// A folder on this machine for the data [default: the engine's volume NAME-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A volume of the engine for the data [default: NAME-data]
    #[arg(long, value_name = "VOLUME", conflicts_with = "data")]
    pub volume: Option<String>,
    /// A hythe configuration file for the registry; an empty value removes it
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub config: Option<PathBuf>,
    /// A setting of `hythe serve`, such as upstream.offline=true. Can be given several times; an empty value removes
    /// all
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// hythe's Linux binary, needed if this binary is not for Linux [default: this binary]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Replace another registry's container that has this name or port, and take over its data
    #[arg(long, conflicts_with_all = ["data", "volume"])]
    pub adopt: bool,
    /// Run the registry as a process of this machine instead of a container, until this command ends; nodes reach it
    /// through the gateways of their networks
    #[arg(long, conflicts_with_all = ["address", "adopt", "alias", "binary", "dry_run", "mirror_port", "volume", "watch"])]
    pub process: bool,
    /// Do not attach clusters
    #[arg(long, conflicts_with = "watch")]
    pub no_attach: bool,
    /// Also attach clusters and nodes that start later: install a service of this user that watches for them
    #[arg(long)]
    pub watch: bool,
    /// Replace upstream configuration that other tools wrote in nodes, and keep copies of it
    #[arg(long)]
    pub force: bool,
    /// Print the changes to clusters as diffs, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before the registry's data moves to another place
    #[arg(long, short)]
    pub yes: bool,
}

/// Reads a port; an empty text is 0, which removes the port.
fn port_or_none(text: &str) -> Result<u16, std::num::ParseIntError> {
    if text.is_empty() { Ok(0) } else { text.parse() }
}

/// The options of `hythe down`.
#[derive(Clone, Debug, Args)]
pub struct DownArgs {
    /// The registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Also delete the data, after a confirmation
    #[arg(long)]
    pub delete_data: bool,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
}

/// The options of `hythe logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// The registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Keep printing new lines
    #[arg(long, short)]
    pub follow: bool,
    /// Print only this number of last lines
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
}

/// The options of `hythe upgrade`.
#[derive(Clone, Debug, Args)]
pub struct UpgradeArgs {
    /// The registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// hythe's Linux binary to run [default: this binary]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
}

/// The options of `hythe attach`.
#[derive(Clone, Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct AttachArgs {
    /// The names of the clusters in kind, k3d or minikube
    #[arg(value_name = "CLUSTER", conflicts_with = "all")]
    pub clusters: Vec<String>,
    /// The registry.
    #[command(flatten)]
    pub target: WiredArgs,
    /// The URL at which nodes reach the registry in the cluster, such as `http://10.0.0.9:5000` [default: its Service's
    /// address]
    #[arg(long, value_name = "URL", requires = "in_cluster")]
    pub endpoint: Option<Endpoint>,
    /// Attach every running cluster that was not detached
    #[arg(long)]
    pub all: bool,
    /// Add the registry to the configuration of a client on this machine: podman, buildkit, docker. Can be given
    /// several times
    #[arg(long, value_name = "CLIENT", value_enum)]
    pub client: Vec<LocalClient>,
    /// Also attach clusters and nodes that start later, until this command ends
    #[arg(long, conflicts_with_all = ["clusters", "dry_run", "in_cluster"])]
    pub watch: bool,
    /// Replace upstream configuration that other tools wrote, and keep copies of it
    #[arg(long, conflicts_with = "in_cluster")]
    pub force: bool,
    /// Print the changes as diffs, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The options of `hythe detach`.
#[derive(Clone, Debug, Args)]
pub struct DetachArgs {
    /// The names of the clusters
    #[arg(value_name = "CLUSTER", required_unless_present = "client")]
    pub clusters: Vec<String>,
    /// Remove the registry from the configuration of a client on this machine. Can be given several times
    #[arg(long, value_name = "CLIENT", value_enum)]
    pub client: Vec<LocalClient>,
    /// The registry.
    #[command(flatten)]
    pub target: WiredArgs,
    /// Print the changes, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// The options of `hythe kind-config`.
#[derive(Clone, Debug, Args)]
pub struct KindConfigArgs {
    /// A kind configuration to extend, keeping its text and order; - is stdin
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Mount this folder of this machine in each node, at /mnt/local-storage/registry, for the data of a registry in
    /// the cluster
    #[arg(long, value_name = "FOLDER")]
    pub host_path: Option<PathBuf>,
    /// Map this node port (30000 to 32767) of a registry in the cluster to the same port on this machine's loopback
    /// address; 30500 if no port is given
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "30500")]
    pub node_port: Option<u16>,
}
