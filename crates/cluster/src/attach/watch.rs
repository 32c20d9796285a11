//! Watching the engine, and attaching nodes as they appear.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use hythe_engine::models::EventMessage;
use tokio::time::{Instant, sleep_until};

use super::{Wiring, attach, attach_nodes, is_detached};
use crate::registry::{self, Found};
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node, clusters};
use hythe_engine::{Engine, EngineError};

/// Delay from a node's start until it is attached, so that containerd's folders exist.
const SETTLE: Duration = Duration::from_millis(200);
/// Interval of a full check without any event, because events may be lost.
const ROUND: Duration = Duration::from_mins(5);
/// Pause before a failed attach is retried.
const AGAIN: Duration = Duration::from_secs(2);
/// Retries before the watch waits for the next event or full check.
const TRIES: u32 = 10;

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The engine went away.
    Engine,
    /// The registry was recreated with other settings, to which nodes must be wired now.
    Registry,
}

/// Attaches every cluster that was not detached, then each node that appears, until the engine goes away or the
/// registry is recreated with other settings.
pub async fn watch(engine: &Engine, wiring: &Wiring, report: Report<'_>) -> Result<Ended, EngineError> {
    // Subscribe to events before the first check, so that a node that starts in between is not missed.
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
                        // When `hythe up` recreates the registry, an event arrives.
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

/// Whether an event makes a check of the clusters necessary.
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
        // Unchanged since the last check, which succeeded: nothing to do.
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
            report(Step::new(&key, Outcome::Skipped, "it was detached, so it is not attached"));
            seen.insert(key, cluster);
            continue;
        }
        let attached = match &before {
            // Nodes that were there before are attached already.
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
        report(Step::new(gone, Outcome::Changed, "it no longer exists; no longer watching it"));
    }
    *known = seen;
    Ok(is_well)
}
