//! A cluster as it was before: what hythe wrote is gone, what it replaced is back, and it stays so.

use super::apply::{rename_into_place, take_away};
use super::publish::access;
use super::survey::Survey;
use super::{DETACHED, Wiring};
use crate::api::{Access, ApiError};
use crate::engine::{Engine, EngineError, File};
use crate::hosting::{self, Removal};
use crate::hosts::written_by;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node, clusters};

/// Takes the wiring off a cluster, until it is attached by name. Whether all went well is the answer.
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
            report(Step::new(subject, Outcome::Skipped, "it does not run, and keeps what is in it"));
            continue;
        }
        match clean_and_mark(engine, cluster, node, wiring).await {
            Ok(0) => report(Step::new(subject, Outcome::Unchanged, "nothing of this registry's is in it")),
            Ok(count) => {
                let text = format!("{count} hosts.toml of this registry's taken away");
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

/// Takes the files of a registry out of a node, and puts back what they replaced; how many there were.
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
        Ok(Removal::Removed) => (Outcome::Changed, "its ConfigMap local-registry-hosting is gone".to_owned()),
        Ok(Removal::Absent) => (Outcome::Unchanged, "it has no ConfigMap local-registry-hosting".to_owned()),
        Ok(Removal::NotOurs) => (
            Outcome::Skipped,
            "its ConfigMap local-registry-hosting is somebody else's, and stays".to_owned(),
        ),
        Err(error) => {
            (Outcome::Skipped, format!("its ConfigMap local-registry-hosting was not looked for: {error}"))
        }
    };
    report(Step::new(cluster.to_string(), outcome, text));
}

/// Takes the registry off the networks that no other cluster is on.
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
            let text = format!("{} left it", wiring.registry.name);
            report(Step::new(format!("network {network}"), Outcome::Changed, text));
        }
    }
    Ok(())
}
