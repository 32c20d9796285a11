//! The options that bring a pushed image into clusters.

use std::time::Duration;

use clap::Args;
use hythe_kube::workload::WorkloadName;

use crate::values::parse_duration;

/// The options that bring a pushed image into the nodes of local clusters, and into workloads.
#[derive(Clone, Debug, Args)]
pub struct RollOutArgs {
    /// Then pull the image in the nodes of attached clusters, all at once, so that every pull policy finds the image that a
    /// moved tag names now. With =NODE only in this node; can be given several times
    #[arg(long, value_name = "NODE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub node: Vec<String>,
    /// As --node, for the nodes of this cluster only. Can be given several times
    #[arg(long, value_name = "CLUSTER")]
    pub cluster: Vec<String>,
    /// Then restart a workload: deployment/NAME, statefulset/NAME or daemonset/NAME. hythe waits until it is rolled out. Can be
    /// given several times
    #[arg(long, value_name = "[NAMESPACE/]KIND/NAME")]
    pub restart: Vec<WorkloadName>,
    /// The context of the workloads' cluster in the kubeconfig [default: the current context]
    #[arg(long, value_name = "CONTEXT", requires = "restart")]
    pub context: Option<String>,
    /// The namespace of the workloads [default: the context's]
    #[arg(long, short, value_name = "NAMESPACE", requires = "restart")]
    pub namespace: Option<String>,
    /// How long to wait until a workload is rolled out
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub timeout: Duration,
}

impl RollOutArgs {
    /// Options that ask for nothing in clusters.
    pub fn none() -> Self {
        Self {
            node: Vec::new(),
            cluster: Vec::new(),
            restart: Vec::new(),
            context: None,
            namespace: None,
            timeout: Duration::ZERO,
        }
    }

    /// Whether anything is to be done in clusters.
    pub fn is_given(&self) -> bool {
        !(self.node.is_empty() && self.cluster.is_empty() && self.restart.is_empty())
    }
}
