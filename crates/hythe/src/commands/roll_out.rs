//! Brings pushed images into the nodes of local clusters, and restarts workloads, after a push or a build.

use std::time::SystemTime;

use hythe_cluster::pull::{is_attached, pull};
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::{Cluster, Node, clusters};
use hythe_engine::Engine;
use hythe_kube::workload::Workload;
use hythe_oci::ImageName;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::deploy;
use super::engine::connect;
use super::local::named;
use crate::args::{EngineArgs, RollOutArgs};
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, LocalError};
use crate::values::Output;

/// What `--node`, `--cluster` and `--restart` ask for.
pub(super) struct RollOut<'a> {
    args: &'a RollOutArgs,
    /// The engine with the clusters whose nodes pull; none if no node is to pull.
    nodes: Option<(Engine, Vec<Cluster>)>,
    workloads: Vec<Workload>,
}

impl<'a> RollOut<'a> {
    /// What the options ask for; none if none of them is given.
    pub(super) async fn asked(
        args: &'a RollOutArgs,
        engine: &EngineArgs,
        environment: &Environment,
    ) -> Result<Option<Self>, Failure> {
        if args.is_given() { Self::prepare(args, engine, environment).await.map(Some) } else { Ok(None) }
    }

    /// Finds the nodes and workloads, and changes nothing. Runs before the push, so that a wrong name fails early.
    async fn prepare(
        args: &'a RollOutArgs,
        engine: &EngineArgs,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let nodes = if args.node.is_empty() && args.cluster.is_empty() {
            None
        } else {
            let engine = connect(engine).await?;
            let found = chosen(&engine, args).await?;
            Some((engine, found))
        };
        let mut workloads = Vec::new();
        if !args.restart.is_empty() {
            let access = deploy::connect(args.context.as_deref(), environment).await?;
            for name in &args.restart {
                let workload = Workload::new(&access, name, args.namespace.as_deref());
                workload.check().await?;
                workloads.push(workload);
            }
        }
        Ok(Self { args, nodes, workloads })
    }

    /// Pulls the images in the nodes, then restarts the workloads. Returns what was done, for JSON. A node that fails stops
    /// neither the others nor the restart; the error at the end names it.
    pub(super) async fn run(&self, images: &[ImageName], printer: Printer) -> Result<Value, Failure> {
        let (steps, failed) = match &self.nodes {
            Some((engine, clusters)) => self.pull_all(engine, clusters, images, printer).await?,
            None => Default::default(),
        };
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        for workload in &self.workloads {
            workload.restart(&now).await?;
            printer.note(format_args!("{}: restarted", workload.title()));
        }
        for workload in &self.workloads {
            let title = workload.title();
            let mut tell = |state: &str| printer.note(format_args!("{title}: {state}"));
            workload.wait(self.args.timeout, &mut tell).await?;
            printer.note(format_args!("{title}: rolled out"));
        }
        if failed.is_empty() {
            let restarted: Vec<String> = self.workloads.iter().map(Workload::title).collect();
            return Ok(json!({ "nodes": steps, "restarted": restarted }));
        }
        let count = count_of(failed.len() as u64, "node");
        Err(Failure::Images(format!("{count} could not pull: {}", failed.join(", "))))
    }

    async fn pull_all(
        &self,
        engine: &Engine,
        clusters: &[Cluster],
        images: &[ImageName],
        printer: Printer,
    ) -> Result<(Vec<Step>, Vec<String>), Failure> {
        let steps = Mutex::new(Vec::new());
        let report = |step: Step| {
            if printer.output() == Output::Text {
                printer.note(&step);
            }
            steps.lock().push(step);
        };
        let mut failed = Vec::new();
        for image in images {
            let mut nodes = Vec::new();
            for cluster in clusters {
                if self.is_unnamed() && !is_attached(engine, cluster, image).await? {
                    let text = format!("it is not attached to {}", image.registry());
                    report(Step::new(cluster.to_string(), Outcome::Skipped, text));
                    continue;
                }
                nodes.extend(self.wanted(cluster).map(|node| (cluster, node)));
            }
            if nodes.is_empty() {
                let registry = image.registry();
                return Err(Failure::Usage(format!(
                    "no cluster is attached to {registry}: attach one with `hythe attach`, or name a cluster with --cluster"
                )));
            }
            failed.extend(pull(engine, &nodes, image, &report).await);
        }
        failed.sort();
        failed.dedup();
        Ok((steps.into_inner(), failed))
    }

    /// Whether the user means all attached clusters.
    fn is_unnamed(&self) -> bool {
        self.args.cluster.is_empty() && names(self.args).next().is_none()
    }

    /// The nodes of a cluster that are to pull.
    fn wanted<'c>(&'c self, cluster: &'c Cluster) -> impl Iterator<Item = &'c Node> {
        let is_wanted = |node: &&Node| {
            let mut named = names(self.args).peekable();
            named.peek().is_none()
                || self.args.cluster.contains(&cluster.name)
                || named.any(|name| name == node.name)
        };
        cluster.nodes.iter().filter(is_wanted)
    }
}

/// The nodes that `--node` names.
fn names(args: &RollOutArgs) -> impl Iterator<Item = &str> {
    args.node.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// The clusters that are meant: those that run, unless some are named by `--cluster` or by one of their nodes.
async fn chosen(engine: &Engine, args: &RollOutArgs) -> Result<Vec<Cluster>, Failure> {
    let all = clusters(engine).await?;
    let mut chosen: Vec<Cluster> = Vec::new();
    for name in &args.cluster {
        chosen.push(named(engine, name).await?);
    }
    for name in names(args) {
        let has = |cluster: &&Cluster| cluster.nodes.iter().any(|node| node.name == name);
        let Some(cluster) = all.iter().find(has) else {
            let nodes = all.iter().flat_map(|cluster| &cluster.nodes).map(|node| node.name.as_str());
            let nodes: Vec<&str> = nodes.collect();
            return Err(Failure::Usage(format!(
                "{} has no node {name}; its nodes are: {}",
                engine.title(),
                nodes.join(", ")
            )));
        };
        if !chosen.contains(cluster) {
            chosen.push(cluster.clone());
        }
    }
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    if all.is_empty() {
        return Err(LocalError::NoClusters { engine: engine.title() }.into());
    }
    Ok(all.into_iter().filter(Cluster::is_running).collect())
}
