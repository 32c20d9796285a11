//! Nodes attached as they appear.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::EventMessage;
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until};

use super::{Wiring, attach, attach_nodes, is_detached};
use crate::engine::{Engine, EngineError};
use crate::registry::{self, Found};
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node, clusters};

/// How long after its start a node is looked at: containerd's folders have to be there.
const SETTLE: Duration = Duration::from_millis(200);
/// How often everything is looked at although nothing was heard: an event may be lost.
const ROUND: Duration = Duration::from_mins(5);
/// How long a node that could not be attached is left alone.
const AGAIN: Duration = Duration::from_secs(2);
/// How often it is tried.
const TRIES: u32 = 10;

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The engine went away.
    Engine,
    /// The registry is not what it was any more: nodes are to be wired to what it is now.
    Registry,
}

/// Attaches every cluster that nobody detached, then each node that appears, until the engine goes away or the registry
/// is made anew otherwise.
pub async fn watch(engine: &Engine, wiring: &Wiring, report: Report<'_>) -> Result<Ended, EngineError> {
    // Listening before looking: what starts between the two is heard.
    let mut events = Box::pin(engine.events());
    let mut known: BTreeMap<String, Cluster> = BTreeMap::new();
    let mut due = Some(Instant::now());
    let mut tries = 0;
    loop {
        let at = due.unwrap_or_else(|| Instant::now() + ROUND);
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    if concerns_nodes(&event, &wiring.registry.name) {
                        tries = 0;
                        due = Some(Instant::now() + SETTLE);
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(Ended::Engine),
            },
            () = sleep_until(at) => {
                due = None;
                if wiring.process.is_none() {
                    let found = registry::find(engine, &wiring.registry.name).await?;
                    match &found {
                        Found::Ours(_) | Found::Theirs(_)
                            if found.settings().as_ref() == Some(&wiring.registry) => {}
                        Found::Ours(_) | Found::Theirs(_) => return Ok(Ended::Registry),
                        // `hythe up` brings it back, and is heard.
                        Found::Absent | Found::Foreign(_) => continue,
                    }
                }
                let is_well = look(engine, wiring, &mut known, report).await?;
                if !is_well && tries < TRIES {
                    tries += 1;
                    due = Some(Instant::now() + AGAIN);
                }
            }
        }
    }
}

/// Whether something happened after which clusters are to be looked at.
fn concerns_nodes(event: &EventMessage, registry: &str) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    let attributes = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref());
    let has = |name: &str| attributes.is_some_and(|attributes| attributes.contains_key(name));
    let is_node = has("io.x-k8s.kind.cluster") || has("k3d.cluster") || has("name.minikube.sigs.k8s.io");
    let is_registry =
        attributes.and_then(|attributes| attributes.get("name")).is_some_and(|name| name == registry);
    matches!(action, "start" | "destroy" | "remove") && (is_node || is_registry)
}

async fn look(
    engine: &Engine,
    wiring: &Wiring,
    known: &mut BTreeMap<String, Cluster>,
    report: Report<'_>,
) -> Result<bool, EngineError> {
    let mut is_well = true;
    let mut seen = BTreeMap::new();
    for cluster in clusters(engine).await? {
        let key = cluster.to_string();
        let before = known.remove(&key);
        // As it was at the last look, and well: nothing to do.
        if before.as_ref() == Some(&cluster) || !cluster.is_running() {
            seen.insert(key, cluster);
            continue;
        }
        let is_detached = match is_detached(engine, &cluster).await {
            Ok(is_detached) => is_detached,
            Err(error) => {
                is_well = false;
                report(Step::new(&key, Outcome::Failed, error.to_string()));
                continue;
            }
        };
        if is_detached {
            report(Step::new(&key, Outcome::Skipped, "it was detached, and is left alone"));
            seen.insert(key, cluster);
            continue;
        }
        let attached = match &before {
            // Those that were there are as they were.
            Some(before) => {
                let is_new = |node: &&Node| node.is_running && !before.nodes.contains(node);
                let nodes: Vec<&Node> = cluster.nodes.iter().filter(is_new).collect();
                attach_nodes(engine, &cluster, &nodes, wiring, report).await
            }
            None => attach(engine, &cluster, wiring, report).await,
        };
        match attached {
            Ok(true) => {
                seen.insert(key, cluster);
            }
            Ok(false) => is_well = false,
            Err(error) => {
                is_well = false;
                report(Step::new(&key, Outcome::Failed, error.to_string()));
            }
        }
    }
    for gone in known.keys() {
        report(Step::new(gone, Outcome::Changed, "it is gone, and forgotten"));
    }
    *known = seen;
    Ok(is_well)
}
