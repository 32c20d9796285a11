//! The arguments of commands about a registry in a Kubernetes cluster.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use hythe_kube::deploy::{
    DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_NAME, DEFAULT_NAMESPACE, DEFAULT_NODE_PORT, HostPath, Label, Name,
    Namespace, Peer, Quantity, StorageClass,
};
use hythe_oci::ImageName;

use super::EngineArgs;
use crate::values::parse_duration;

/// The examples in `hythe deploy --help`.
pub const DEPLOY_EXAMPLES: &str = "\
Examples:
  hythe deploy                                 deploy to the current cluster, namespace `registry`
  hythe deploy --context kind-dev --size 20Gi  deploy to another cluster, with a larger volume
  hythe deploy --namespace storage --name docker-registry --claim registry-storage
                                               use other names
  hythe deploy --host-path /mnt/local-storage/registry
                                               keep the data in a folder of the node
  hythe deploy --print | kubectl diff -f -     show the changes that a deploy would make
  hythe deploy --set upstream.offline=true     change a setting of `hythe serve`
  hythe deploy status
  hythe deploy logs --follow
  hythe deploy remove";

const LOGS_EXAMPLES: &str = "\
Examples:
  hythe deploy logs --tail 100
  hythe deploy logs --follow                   follow the log through restarts and new Pods
  hythe deploy logs --previous                 print the log from before the last restart";

const REMOVE_EXAMPLES: &str = "\
Examples:
  hythe deploy remove                          keep the images for the next `hythe deploy`
  hythe deploy remove --data                   also delete the images";

/// The examples in `hythe forward --help`.
pub const FORWARD_EXAMPLES: &str = "\
Examples:
  hythe forward                                make the registry reachable on localhost:5000
  hythe forward 5050 --namespace storage --name docker-registry";

/// The options that choose a cluster and a registry in it.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// The context in the kubeconfig [default: the current context]
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// The registry's namespace
    #[arg(long, short, global = true, value_name = "NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub namespace: Namespace,
    /// The registry's name, which its workload, Service and claim also have
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_NAME)]
    pub name: Name,
}

/// The arguments of `hythe deploy`.
#[derive(Clone, Debug, Args)]
pub struct DeployArgs {
    /// The registry.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The options of the deployment.
    #[command(flatten)]
    pub options: OptionArgs,
    /// The subcommand; without one, hythe deploys.
    #[command(subcommand)]
    pub command: Option<DeployCommand>,
}

/// The options of a deployment.
#[derive(Clone, Debug, Args)]
pub struct OptionArgs {
    /// Print the objects for kubectl, without contacting a cluster
    #[arg(long)]
    pub print: bool,
    /// The kind of workload that runs the Pod
    #[arg(long, value_enum, default_value_t)]
    pub kind: WorkloadKind,
    /// An image that the nodes can pull [default: hythe's own image, which hythe loads into the nodes]
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<ImageName>,
    /// hythe's Linux binary, needed if this binary is not for Linux [default: this binary]
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub binary: Option<PathBuf>,
    /// The engine that runs the nodes' containers.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// The size of the volume, which can grow later but not shrink [default: the current size; 10Gi for a new volume]
    #[arg(long, value_name = "SIZE")]
    pub size: Option<Quantity>,
    /// The storage class of the volume [default: the current class; the cluster's default for a new volume]
    #[arg(long, value_name = "CLASS")]
    pub storage_class: Option<StorageClass>,
    /// The name of the volume claim [default: the current claim; the registry's name for a new claim]
    #[arg(long, value_name = "NAME")]
    pub claim: Option<Name>,
    /// The name of the ConfigMap with the registry's settings [default: the current ConfigMap; else the registry's
    /// name]
    #[arg(long, value_name = "NAME")]
    pub config_map: Option<Name>,
    /// A folder of the node for the data, instead of a volume. User 1000 becomes the owner of the folder and all in it
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["size", "storage_class", "claim"])]
    pub host_path: Option<HostPath>,
    /// The port on every node that forwards to the registry; 0 for no node port
    #[arg(long, value_name = "PORT", default_value_t = DEFAULT_NODE_PORT)]
    pub node_port: u16,
    /// The registry's memory limit
    #[arg(long, value_name = "AMOUNT", default_value = DEFAULT_MEMORY)]
    pub memory: Quantity,
    /// The registry's CPU limit
    #[arg(long, value_name = "AMOUNT", default_value = DEFAULT_CPU)]
    pub cpu: Quantity,
    /// Run only on nodes with this label, such as kubernetes.io/hostname=kind-worker. Can be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub node_selector: Vec<Label>,
    /// Allow only these peers to connect: Pods with a label (app=ci) or a range of addresses (10.0.0.0/8). Name the
    /// nodes' own addresses too, or the nodes cannot pull. Can be given several times [default: all peers]
    #[arg(long, value_name = "PEER")]
    pub allow_from: Vec<Peer>,
    /// A setting of `hythe serve`, such as upstream.offline=true. Can be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Overwrite fields that other tools or users have changed
    #[arg(long)]
    pub force: bool,
    /// How long to wait until the registry is ready
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub timeout: Duration,
}

/// The kind of workload that runs the Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A `StatefulSet`: never starts a second Pod, even while a node does not respond.
    #[value(name = "statefulset")]
    StatefulSet,
}

/// The subcommands of `hythe deploy`.
#[derive(Clone, Debug, Subcommand)]
pub enum DeployCommand {
    /// Show the state of the registry
    Status,
    /// Print the registry's log
    #[command(after_help = LOGS_EXAMPLES)]
    Logs {
        /// Keep printing new lines
        #[arg(long, short)]
        follow: bool,
        /// Print only this number of last lines
        #[arg(long, value_name = "LINES")]
        tail: Option<u32>,
        /// Print the log of the container that ran before the last restart
        #[arg(long, short, conflicts_with = "follow")]
        previous: bool,
    },
    /// Remove the registry, and keep its data
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Also remove the data
        #[arg(long)]
        data: bool,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
}

/// The arguments of `hythe forward`.
#[derive(Clone, Debug, Args)]
pub struct ForwardArgs {
    /// The port on this machine
    #[arg(value_name = "PORT", default_value_t = hythe_kube::deploy::PORT)]
    pub port: u16,
    /// The registry.
    #[command(flatten)]
    pub target: TargetArgs,
}
