//! Wiring clusters to the registry: each node pulls from it, and a ConfigMap in the cluster tells tools where it is.

mod apply;
mod detach;
mod in_cluster;
mod living;
mod plan;
mod process;
mod publish;
mod survey;
mod watch;

use std::path::PathBuf;

use futures_util::future::join_all;
use hythe_oci::Authority;

use crate::hosts::Endpoint;
use crate::registry::{Joined, RegistrySettings};
use crate::runtime::Runtime;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node};
use hythe_engine::{Engine, EngineError};

pub(crate) use apply::restart;
pub use detach::detach;
pub use in_cluster::{InCluster, attach_in_cluster, detach_in_cluster};
pub(crate) use living::other;
pub(crate) use plan::Plan;
pub use process::Process;
pub use publish::access;
pub(crate) use publish::access_by;
pub(crate) use survey::Survey;
pub use watch::{Ended, watch};

/// The marker file that `hythe detach` writes into a node. While it exists, only a command that names the cluster
/// attaches it again.
const DETACHED: &str = "/etc/hythe/detached";

/// The message for a nodes' network that the engine no longer has.
const NO_NETWORK: &str = "the engine no longer has this network: delete the cluster and create it again";

/// The registry that clusters are wired to, and how.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The registry.
    pub registry: RegistrySettings,
    /// Set if the registry is not a container but a process on this machine.
    pub process: Option<Process>,
    /// The upstreams whose images nodes pull through the registry.
    pub upstreams: Vec<Authority>,
    /// Whether files that others wrote for an upstream are replaced. Files for the registry's own names are always
    /// replaced.
    pub force: bool,
    /// Whether clusters are taken over from another existing registry. True when the command names the cluster.
    pub takes_over: bool,
    /// Whether to only report what would change.
    pub dry_run: bool,
    /// The kubeconfig files that lead to a cluster's API.
    pub kubeconfig: Vec<PathBuf>,
}

impl Wiring {
    fn route<'a>(&'a self, endpoint: &str) -> Result<Route<'a>, String> {
        let mut names = vec![format!("localhost:{}", self.registry.port)];
        names.extend(self.registry.inner_names());
        names.dedup();
        Ok(Route {
            registry: &self.registry.name,
            names,
            endpoint: endpoint.parse().map_err(|error| format!("{error}"))?,
            upstreams: &self.upstreams,
            force: self.force,
        })
    }
}

/// The names and upstreams that a node asks the registry for, and at which address.
#[derive(Debug)]
struct Route<'a> {
    /// The registry's name in the first line of its files.
    registry: &'a str,
    /// Each `host:port` of the registry itself.
    names: Vec<String>,
    /// The address to which the node sends requests.
    endpoint: Endpoint,
    /// The upstreams whose images the node pulls through the registry.
    upstreams: &'a [Authority],
    /// Whether files that others wrote for an upstream are replaced.
    force: bool,
}

/// Wires a cluster. A failure on one node does not stop the others. Returns whether everything succeeded.
pub async fn attach(
    engine: &Engine,
    cluster: &Cluster,
    wiring: &Wiring,
    report: Report<'_>,
) -> Result<bool, EngineError> {
    let nodes: Vec<&Node> = cluster.nodes.iter().collect();
    let is_well = attach_nodes(engine, cluster, &nodes, wiring, report).await?;
    if !cluster.is_running() {
        return Ok(is_well);
    }
    let access = access(engine, cluster, wiring).await;
    let mut hosting = wiring.registry.hosting();
    if let Some(process) = &wiring.process {
        if !is_well {
            return Ok(false);
        }
        // A process has no name in the cluster's network, only an address.
        hosting.host_from_cluster_network = process.address(&cluster.networks()).map(|at| at.to_string());
    }
    let publication = publish::Publication {
        hosting,
        takes_over: wiring.takes_over || wiring.force,
        dry_run: wiring.dry_run,
    };
    Ok(publication.publish(engine, access, cluster, report).await && is_well)
}

/// Connects the registry to the networks of some nodes of a cluster, and wires all these nodes at once.
async fn attach_nodes(
    engine: &Engine,
    cluster: &Cluster,
    nodes: &[&Node],
    wiring: &Wiring,
    report: Report<'_>,
) -> Result<bool, EngineError> {
    let mut is_well = true;
    let mut networks: Vec<&String> = nodes.iter().flat_map(|node| &node.networks).collect();
    networks.sort();
    networks.dedup();
    for network in networks {
        if is_nameless(network) {
            continue;
        }
        if let Some(process) = &wiring.process {
            is_well &= process.listen_on(engine, network, report).await?;
        } else if wiring.dry_run {
            let name = &wiring.registry.name;
            let (outcome, text) = if crate::registry::address_on(engine, name, network).await?.is_some() {
                (Outcome::Unchanged, format!("{name} is connected"))
            } else {
                (Outcome::Changed, format!("{name} would be connected, and started if it is stopped"))
            };
            report(Step::new(format!("network {network}"), outcome, text));
        } else if wiring.registry.join(engine, network, report).await? == Joined::NoNetwork {
            is_well = false;
            report(Step::new(format!("network {network}"), Outcome::Failed, NO_NETWORK));
        }
    }
    let wired = nodes.iter().map(|node| attach_node(engine, cluster, node, wiring, report));
    let wired = join_all(wired).await;
    Ok(is_well && wired.into_iter().all(|is_well| is_well))
}

/// Whether a network is the engine's own. On these containers have no names, so the registry does not join them.
fn is_nameless(network: &str) -> bool {
    ["bridge", "podman", "host", "none"].contains(&network)
}

/// Wires one node. Returns whether it succeeded.
async fn attach_node(
    engine: &Engine,
    cluster: &Cluster,
    node: &Node,
    wiring: &Wiring,
    report: Report<'_>,
) -> bool {
    let plan = async |survey: &Survey| {
        let endpoint = endpoint(engine, node, survey, wiring).await.map_err(|error| error.to_string())?;
        if let Some(process) = &wiring.process {
            // A node whose registry is out of reach is left unwired, so that it still pulls from upstreams.
            process.check(engine, node, &endpoint).await?;
        }
        Plan::of(survey, wiring, &endpoint)
    };
    wire(engine, cluster, node, plan, wiring.dry_run, report).await
}

/// Carries out the plan for a node, or on a dry run reports it. Returns whether it succeeded.
async fn wire(
    engine: &Engine,
    cluster: &Cluster,
    node: &Node,
    plan: impl AsyncFn(&Survey) -> Result<Plan, String>,
    dry_run: bool,
    report: Report<'_>,
) -> bool {
    let subject = format!("node {}", node.name);
    if !node.is_running {
        let text = format!("it is stopped; start it, then run `hythe attach {}`", cluster.name);
        report(Step::new(subject, Outcome::Skipped, text));
        return true;
    }
    let outcome = async {
        let survey = Survey::of(engine, cluster, node).await.map_err(|error| error.to_string())?;
        if let Some(text) = refusal(survey.runtime) {
            report(Step::new(&subject, Outcome::Skipped, text));
            return Ok(());
        }
        let plan = plan(&survey).await?;
        if dry_run {
            plan.tell(&subject, report);
            return Ok(());
        }
        plan.apply(engine, &subject, &survey, report).await.map_err(|error| error.to_string())
    };
    match outcome.await {
        Ok(()) => true,
        Err(text) => {
            report(Step::new(subject, Outcome::Failed, text));
            false
        }
    }
}

/// The address at which a node reaches the registry: its name, which stays the same, or its IP address if the node
/// would send requests for the name to a proxy, or has no network with names.
pub(crate) async fn endpoint(
    engine: &Engine,
    node: &Node,
    survey: &Survey,
    wiring: &Wiring,
) -> Result<String, EngineError> {
    if let Some(process) = &wiring.process {
        return process.endpoint(node);
    }
    let (name, port) = (&wiring.registry.name, wiring.registry.inner_port());
    let has_names = node.networks.iter().any(|network| !is_nameless(network));
    if !has_names || survey.sends_to_proxy(name) {
        for network in &node.networks {
            if let Some(address) = crate::registry::address_on(engine, name, network).await? {
                return Ok(format!("http://{address}:{port}"));
            }
        }
    }
    Ok(format!("http://{name}:{port}"))
}

/// Whether a cluster was detached. Then only a command that names it attaches it again.
pub async fn is_detached(engine: &Engine, cluster: &Cluster) -> Result<bool, EngineError> {
    if cluster.is_opted_out {
        return Ok(true);
    }
    for node in cluster.nodes.iter().filter(|node| node.is_running) {
        if engine.read(&node.name, DETACHED).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the marker that a cluster was detached.
pub async fn welcome(engine: &Engine, cluster: &Cluster) -> Result<(), EngineError> {
    for node in cluster.nodes.iter().filter(|node| node.is_running) {
        if engine.read(&node.name, DETACHED).await?.is_some() {
            engine.run(&node.name, &["rm", "-f", DETACHED]).await?;
        }
    }
    Ok(())
}

/// Why a node with this runtime cannot be wired.
pub(crate) fn refusal(runtime: Runtime) -> Option<&'static str> {
    match runtime {
        Runtime::Containerd | Runtime::K3s => None,
        Runtime::Docker => Some(
            "its runtime is dockerd, which reaches a registry only under the registry's own name, so hythe does not \
             configure it: create the cluster with containerd (minikube start --container-runtime=containerd)",
        ),
        Runtime::CriO => Some(
            "its runtime is CRI-O, which hythe does not configure: add a mirror in /etc/containers/registries.conf.d, at \
             the registry's name in the node's network",
        ),
        Runtime::None => Some("it has no containerd"),
    }
}
