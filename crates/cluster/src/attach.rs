//! Clusters wired to the registry: each node asks it, and the cluster says where it is.

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

use crate::engine::{Engine, EngineError};
use crate::hosts::Endpoint;
use crate::registry::{Joined, Settings};
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node};

pub(crate) use apply::restart;
pub use detach::detach;
pub use in_cluster::{InCluster, attach_in_cluster, detach_in_cluster};
pub(crate) use living::other;
pub(crate) use plan::Plan;
pub use process::Process;
pub use publish::access;
pub(crate) use publish::access_by;
pub(crate) use survey::{Runtime, Survey};
pub use watch::{Ended, watch};

/// Written into a node by `hythe detach`: as long as it is there, nobody attaches the cluster unasked.
const DETACHED: &str = "/etc/hythe/detached";

/// Of a network that nodes are on.
const NO_NETWORK: &str = "the engine has no such network any more: create the cluster anew";

/// What clusters are wired to, and how.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The registry.
    pub registry: Settings,
    /// It, where it is no container but a process of the machine.
    pub process: Option<Process>,
    /// The upstreams whose images come through it.
    pub upstreams: Vec<Authority>,
    /// Whether files that others wrote for an upstream are replaced. Those for the registry's own names always are.
    pub force: bool,
    /// Whether clusters are taken over from another registry that is there: whoever names a cluster says so.
    pub takes_over: bool,
    /// Whether nothing is changed, and only said what would be.
    pub dry_run: bool,
    /// The kubeconfig files by which a cluster's API is reached.
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

/// What a node is to ask the registry for, and where.
#[derive(Debug)]
struct Route<'a> {
    /// The name that the registry's files are known by.
    registry: &'a str,
    /// Each `host:port` of its own.
    names: Vec<String>,
    /// Where the node asks it.
    endpoint: Endpoint,
    /// The upstreams whose images come through it.
    upstreams: &'a [Authority],
    /// Whether files that others wrote for an upstream are replaced.
    force: bool,
}

/// Wires a cluster. What cannot be done on one node does not keep the others from it; whether all went well is the
/// answer.
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
        // It has no name there.
        hosting.host_from_cluster_network = process.address(&cluster.networks()).map(|at| at.to_string());
    }
    let publication = publish::Publication {
        hosting,
        takes_over: wiring.takes_over || wiring.force,
        dry_run: wiring.dry_run,
    };
    Ok(publication.publish(engine, access, cluster, report).await && is_well)
}

/// Wires some nodes of a cluster, all at once, and puts the registry on their networks.
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
                (Outcome::Unchanged, format!("{name} is on it"))
            } else {
                (Outcome::Changed, format!("{name} would join it, or be started"))
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

/// Whether a network is the engine's own, on which containers have no names and which nobody joins.
fn is_nameless(network: &str) -> bool {
    ["bridge", "podman", "host", "none"].contains(&network)
}

/// Wires one node; whether it went well.
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
            // Better asking upstream than nobody.
            process.check(engine, node, &endpoint).await?;
        }
        Plan::of(survey, wiring, &endpoint)
    };
    wire(engine, cluster, node, plan, wiring.dry_run, report).await
}

/// Carries out what is planned for a node, or tells it; whether it went well.
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
        let text = format!("it does not run; once it does: `hythe attach {}`", cluster.name);
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

/// Where a node asks the registry. By its name, which stays; by its address where the node sends names to a proxy.
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

/// Whether somebody detached a cluster: then it is attached only by name.
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

/// Forgets that a cluster was detached.
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
            "its runtime is dockerd, which knows no names but a registry's own, and is left alone: make the cluster \
             with containerd (minikube start --container-runtime=containerd)",
        ),
        Runtime::CriO => Some(
            "its runtime is CRI-O, which reads /etc/containers/registries.conf.d and is left alone: give it a mirror \
             there, at the registry's name in the node's network",
        ),
        Runtime::None => Some("no containerd is in it"),
    }
}
