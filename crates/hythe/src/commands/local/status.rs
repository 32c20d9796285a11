//! `hythe status`: the registry, and the clusters that ask it.

use std::fmt::Write as _;

use hythe_cluster::attach;
use hythe_cluster::registry::{self, Found, Settings};
use hythe_cluster::step::Outcome;
use hythe_cluster::topology::clusters;
use serde_json::{Value, json};

use super::{Steps, connect, failed, run, wiring};
use crate::args::NameArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::{Output, Printer};

/// Prints how things are.
pub(in crate::commands) fn status(
    args: &NameArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.engine).await?;
        let name = &args.name;
        let found = registry::find(&engine, name).await.map_err(failed)?;
        let mut text = String::new();
        let mut data = json!({ "engine": engine.title(), "clusters": [] });
        let settings = match &found {
            Found::Ours(container) => {
                let state = container.state.as_ref();
                let runs = state.and_then(|state| state.running) == Some(true);
                let settings = Settings::recorded(container);
                let image =
                    container.config.as_ref().and_then(|config| config.image.clone()).unwrap_or_default();
                let state = if runs { "runs" } else { "is stopped" };
                let _ = writeln!(text, "{name} {state} in {}, {image}", engine.title());
                if let Some(settings) = &settings {
                    let _ = writeln!(
                        text,
                        "  on this machine  {}:{}\n  in clusters      {}:5000\n  data             {}",
                        settings.address, settings.port, settings.name, settings.data
                    );
                }
                data["registry"] = json!({ "running": runs, "image": image, "settings": settings });
                settings
            }
            Found::Foreign(_) => {
                let _ = writeln!(text, "{name} in {} is not hythe's", engine.title());
                None
            }
            Found::Absent => {
                let _ = writeln!(text, "no registry {name} is in {}", engine.title());
                None
            }
        };
        // Whether a node is as it should be is what attaching it would change.
        let quiet = Printer::new(Output::Json);
        for cluster in clusters(&engine).await.map_err(failed)? {
            let mut told = json!({
                "name": cluster.name,
                "maker": cluster.maker.name(),
                "nodes": cluster.nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>(),
            });
            let state = if !cluster.is_running() {
                "does not run".to_owned()
            } else if attach::is_detached(&engine, &cluster).await.map_err(failed)? {
                "detached".to_owned()
            } else if let Some(settings) = &settings {
                let steps = Steps::new(quiet);
                let report = |step| steps.take(step);
                let wiring = wiring(settings.clone(), environment, false, true)?;
                let is_well = attach::attach(&engine, &cluster, &wiring, &report).await.map_err(failed)?;
                let missing: Vec<String> = steps
                    .all()
                    .iter()
                    .filter(|step| matches!(step.outcome, Outcome::Changed | Outcome::Failed))
                    .map(|step| step.subject.clone())
                    .collect();
                if is_well && missing.is_empty() {
                    "attached".to_owned()
                } else {
                    let mut missing = missing;
                    missing.dedup();
                    format!("not attached as it should be: {}", missing.join(", "))
                }
            } else {
                "not attached".to_owned()
            };
            let _ = writeln!(text, "{cluster} ({}): {state}", super::count(cluster.nodes.len(), "node"));
            told["state"] = json!(state);
            if let Value::Array(list) = &mut data["clusters"] {
                list.push(told);
            }
        }
        printer.data(text.trim_end(), || data);
        match found {
            Found::Ours(_) => {}
            Found::Foreign(_) => printer.note("to take its place, with its data: hythe up --adopt"),
            Found::Absent => printer.note("to start it: hythe up"),
        }
        Ok(())
    })
}
