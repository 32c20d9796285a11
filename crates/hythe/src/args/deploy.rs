//! What is asked of a registry in a cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use hythe_cluster::deploy::{
    DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_NAME, DEFAULT_NAMESPACE, DEFAULT_NODE_PORT, HostPath, Image, Label,
    Name, Namespace, Peer, Quantity, StorageClass,
};

use super::EngineArgs;
use crate::values::parse_duration;

/// For `--help`.
pub const DEPLOY_EXAMPLES: &str = "\
Examples:
  hythe deploy                                 into the current cluster, namespace `registry`
  hythe deploy --context kind-dev --size 20Gi  into another one, with a larger volume
  hythe deploy --namespace storage --name docker-registry --claim registry-storage
                                               under other names
  hythe deploy --host-path /mnt/local-storage/registry
                                               with the data in a folder of the node
  hythe deploy --print | kubectl diff -f -     what it would change, by hand
  hythe deploy --set upstream.offline=true     with a setting of `hythe serve`
  hythe deploy status
  hythe deploy logs --follow
  hythe deploy remove";

const LOGS_EXAMPLES: &str = "\
Examples:
  hythe deploy logs --tail 100
  hythe deploy logs --follow                   also through restarts and new Pods
  hythe deploy logs --previous                 why it ended before";

const REMOVE_EXAMPLES: &str = "\
Examples:
  hythe deploy remove                          images stay, for the next `hythe deploy`
  hythe deploy remove --data                   images go too";

/// For `--help`.
pub const FORWARD_EXAMPLES: &str = "\
Examples:
  hythe forward                                localhost:5000 is the cluster's registry
  hythe forward 5050 --namespace storage --name docker-registry";

/// Which cluster, and which registry in it.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// The context of the kubeconfig [default: the current one]
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// The registry's namespace
    #[arg(long, short, global = true, value_name = "NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: Namespace,
    /// The registry's name: of its workload, its Service and its claim
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_NAME)]
    pub name: Name,
}

/// What is deployed, and how.
#[derive(Clone, Debug, Args)]
pub struct DeployArgs {
    /// Which registry.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How.
    #[command(flatten)]
    pub options: OptionArgs,
    /// What else to do with it.
    #[command(subcommand)]
    pub command: Option<DeployCommand>,
}

/// How a registry is deployed.
#[derive(Clone, Debug, Args)]
pub struct OptionArgs {
    /// Print the objects for kubectl, and ask no cluster
    #[arg(long)]
    pub print: bool,
    /// What runs the Pod
    #[arg(long, value_enum, default_value_t)]
    pub kind: WorkloadKind,
    /// An image that the nodes can pull [default: hythe's own, which is put into them]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<Image>,
    /// hythe's Linux binary, where this one is none [default: this one]
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub binary: Option<PathBuf>,
    /// The engine whose containers the nodes are.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// The volume's size. It can grow later, never shrink [default: what it has; 10Gi for a new one]
    #[arg(long, value_name = "SIZE")]
    pub size: Option<Quantity>,
    /// The volume's storage class [default: what it has; the cluster's default for a new one]
    #[arg(long, value_name = "CLASS")]
    pub storage_class: Option<StorageClass>,
    /// The claim's name [default: what it has; the registry's for a new one]
    #[arg(long, value_name = "NAME")]
    pub claim: Option<Name>,
    /// The name of the ConfigMap of its settings [default: what it has; the registry's]
    #[arg(long, value_name = "NAME")]
    pub config_map: Option<Name>,
    /// A folder of the node for the data, in the place of a volume. It is given to user 1000, with all that is in it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["size", "storage_class", "claim"])]
    pub host_path: Option<HostPath>,
    /// The port of every node that leads to the registry; 0 is none
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_NODE_PORT)]
    pub node_port: u16,
    /// The memory that it may use at most
    #[arg(long, value_name = "AMOUNT", default_value = DEFAULT_MEMORY)]
    pub memory: Quantity,
    /// The processor time that it may use at most
    #[arg(long, value_name = "AMOUNT", default_value = DEFAULT_CPU)]
    pub cpu: Quantity,
    /// A label of the nodes that it may run on, such as kubernetes.io/hostname=kind-worker. Can be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_selector: Vec<Label>,
    /// Who may connect, where not everybody may: Pods by a label (app=ci), addresses by a range (10.0.0.0/8), the nodes' own for what they pull. Can be given several times
    #[arg(long, value_name = "PEER")]
    pub allow_from: Vec<Peer>,
    /// A setting of `hythe serve`, such as upstream.offline=true. Can be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Take over fields that somebody else has changed
    #[arg(long)]
    pub force: bool,
    /// How long to wait until it serves
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// What runs the Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A `StatefulSet`: no second Pod even where a node does not answer.
    #[value(name = "statefulset")]
    StatefulSet,
}

/// What to do with a registry that is deployed.
#[derive(Clone, Debug, Subcommand)]
pub enum DeployCommand {
    /// Show how it is
    Status,
    /// Print what it logs
    #[command(after_help = LOGS_EXAMPLES)]
    Logs {
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
        /// Only the last lines
        #[arg(long, value_name = "LINES")]
        tail: Option<u32>,
        /// Those of the container before the last restart
        #[arg(long, short, conflicts_with = "follow")]
        previous: bool,
    },
    /// Remove it, and leave its data
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Remove its data too
        #[arg(long)]
        data: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// A port that leads to a registry in a cluster.
#[derive(Clone, Debug, Args)]
pub struct ForwardArgs {
    /// The port of this machine
    #[arg(value_name = "PORT", default_value_t = hythe_cluster::deploy::PORT)]
    pub port: u16,
    /// Which registry.
    #[command(flatten)]
    pub target: TargetArgs,
}
