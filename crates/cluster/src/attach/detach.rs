//! Detaching a cluster: removes hythe's files, restores the files they replaced, and marks the cluster so that it stays
//! detached.

use hythe_kube::api::{Access, ApiError};
use hythe_kube::hosting::{self, Removal};

use super::apply::{rename_into_place, take_away};
use super::publish::access;
use super::survey::Survey;
use super::{DETACHED, Wiring};
use crate::hosts::written_by;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node, clusters};
use hythe_engine::{Engine, EngineError, File};

/// Detaches a cluster, until a command names it to attach it again. Returns whether everything succeeded.
pub async fn detach(
    engine: &Engine,
    cluster: &Cluster,
    wiring: &Wiring,
    report: Report<'_>,
) -> Result<bool, EngineError> {
    let mut is_well = true;
    for node in &cluster.nodes {
        let subject = format!("node {}", node.name);
        if !node.is_running {
            let text = format!(
                "it is stopped, so its files stay; start it, then run `hythe detach {}`",
                cluster.name
            );
            report(Step::new(subject, Outcome::Skipped, text));
            continue;
        }
        match clean_and_mark(engine, cluster, node, wiring).await {
            Ok(0) => report(Step::new(subject, Outcome::Unchanged, "it has no files of this registry")),
            Ok(count) => {
                let text = format!("{count} hosts.toml files of this registry removed");
                report(Step::new(subject, Outcome::Changed, text));
            }
            Err(error) => {
                is_well = false;
                report(Step::new(subject, Outcome::Failed, error.to_string()));
            }
        }
    }
    if wiring.dry_run {
        return Ok(is_well);
    }
    unpublish(access(engine, cluster, wiring).await, cluster, report).await;
    leave(engine, cluster, wiring, report).await?;
    Ok(is_well)
}

async fn clean_and_mark(
    engine: &Engine,
    cluster: &Cluster,
    node: &Node,
    wiring: &Wiring,
) -> Result<usize, EngineError> {
    let count = clean(engine, cluster, node, &wiring.registry.name, wiring.dry_run).await?;
    if !wiring.dry_run {
        let marker = format!("{} was detached from the registry {}\n", cluster, wiring.registry.name);
        let file = File { path: DETACHED.to_owned(), content: marker };
        rename_into_place(engine, &node.name, vec![file]).await?;
    }
    Ok(count)
}

/// Removes a registry's files from a node and restores the files they replaced. Returns how many it removed.
pub(super) async fn clean(
    engine: &Engine,
    cluster: &Cluster,
    node: &Node,
    registry: &str,
    dry_run: bool,
) -> Result<usize, EngineError> {
    let survey = Survey::of(engine, cluster, node).await?;
    let mut count = 0;
    for root in survey.roots.values() {
        for directory in &root.directories {
            if directory.text().and_then(written_by) != Some(registry) {
                continue;
            }
            count += 1;
            if dry_run {
                continue;
            }
            take_away(engine, &node.name, &format!("{}/{}", root.path, directory.name)).await?;
        }
    }
    Ok(count)
}

pub(super) async fn unpublish(access: Result<Access, ApiError>, cluster: &Cluster, report: Report<'_>) {
    let removal = async { hosting::remove(&access?).await };
    let (outcome, text) = match removal.await {
        Ok(Removal::Removed) => (Outcome::Changed, "removed its ConfigMap local-registry-hosting".to_owned()),
        Ok(Removal::Absent) => (Outcome::Unchanged, "it has no ConfigMap local-registry-hosting".to_owned()),
        Ok(Removal::NotOurs) => (
            Outcome::Skipped,
            "kept its ConfigMap local-registry-hosting, which hythe did not write".to_owned(),
        ),
        Err(error) => {
            (Outcome::Skipped, format!("could not look for its ConfigMap local-registry-hosting: {error}"))
        }
    };
    report(Step::new(cluster.to_string(), outcome, text));
}

/// Disconnects the registry from the cluster's networks, except those that another cluster uses.
async fn leave(
    engine: &Engine,
    cluster: &Cluster,
    wiring: &Wiring,
    report: Report<'_>,
) -> Result<(), EngineError> {
    let others = clusters(engine).await?;
    let is_used = |network: &String| {
        others.iter().any(|other| {
            (other.maker, &other.name) != (cluster.maker, &cluster.name) && other.networks().contains(network)
        })
    };
    let container = engine.container(&wiring.registry.name).await?;
    let joined = container.and_then(|container| container.network_settings?.networks).unwrap_or_default();
    for network in cluster.networks() {
        if joined.contains_key(&network) && network != "bridge" && !is_used(&network) {
            engine.leave(&network, &wiring.registry.name).await?;
            let text = format!("disconnected {}", wiring.registry.name);
            report(Step::new(format!("network {network}"), Outcome::Changed, text));
        }
    }
    Ok(())
}
