//! `hythe attach --in-cluster` and `hythe detach --in-cluster`: wire clusters to the registry that runs in them.

use hythe_cluster::attach::{self, InCluster};
use hythe_cluster::hosts::Endpoint;
use hythe_cluster::step::{Outcome, Step};
use hythe_engine::Engine;

use super::chosen::{named, unnamed};
use super::{Steps, kubeconfig};
use crate::args::{AttachArgs, DetachArgs, WiredArgs};
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, LocalError};

/// Attaches the clusters that the user names, also those that the user detached: a cluster that was detached from a
/// registry beside it may have a registry of its own.
pub(super) async fn attach(
    engine: &Engine,
    args: &AttachArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let wiring = wiring(&args.target, args.endpoint.clone(), args.dry_run, environment)?;
    let steps = Steps::new(printer);
    let report = |step| steps.take(step);
    let clusters = if args.clusters.is_empty() {
        unnamed(engine, args.all).await?
    } else {
        let mut clusters = Vec::new();
        for name in &args.clusters {
            clusters.push(named(engine, name).await?);
        }
        clusters
    };
    let mut is_well = true;
    for cluster in clusters {
        if cluster.is_running() {
            is_well &= attach::attach_in_cluster(engine, &cluster, &wiring, &report).await;
        } else {
            report(Step::new(cluster.to_string(), Outcome::Skipped, "it does not run"));
        }
    }
    steps.tell(args.dry_run, is_well, printer)
}

/// Detaches the clusters that the user names.
pub(super) async fn detach(
    engine: &Engine,
    args: &DetachArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let wiring = wiring(&args.target, None, args.dry_run, environment)?;
    let steps = Steps::new(printer);
    let mut is_well = true;
    for name in &args.clusters {
        let cluster = named(engine, name).await?;
        is_well &= attach::detach_in_cluster(engine, &cluster, &wiring, &|step| steps.take(step)).await;
    }
    printer.data(count_of(steps.changes() as u64, "change"), || steps.json());
    if is_well { Ok(()) } else { Err(LocalError::StillWired.into()) }
}

fn wiring(
    args: &WiredArgs,
    endpoint: Option<Endpoint>,
    dry_run: bool,
    environment: &Environment,
) -> Result<InCluster, Failure> {
    let target = args.in_cluster().map_err(|error| Failure::Usage(format!("--name: {error}")))?;
    Ok(InCluster { target, endpoint, dry_run, kubeconfig: kubeconfig(environment) })
}
