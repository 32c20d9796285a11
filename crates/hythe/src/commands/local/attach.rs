//! `hythe attach`: wires clusters to the registry.

use hythe_cluster::attach::{self, Wiring};
use hythe_cluster::engine::Engine;
use hythe_cluster::topology::{Cluster, clusters};

use super::{Steps, clients, connect, failed, in_cluster, logins, registry, up, wiring};
use crate::args::AttachArgs;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;

/// Attaches the clusters and clients that the user names.
pub(in crate::commands) fn attach(
    args: &AttachArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        if args.target.in_cluster {
            return in_cluster::attach(&engine, args, environment, printer).await;
        }
        let settings = registry(&engine, &args.target.beside(environment), printer).await?;
        let wiring = wiring(settings, environment, args.force, args.dry_run)?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        if args.watch {
            printer.note("watching for nodes; Ctrl-C ends it");
            let mut wiring = wiring;
            loop {
                let ended = tokio::select! {
                    ended = attach::watch(&engine, &wiring, &report) => ended.map_err(failed)?,
                    ended = logins::keep(&engine, &wiring.registry, environment, &report) => {
                        ended?;
                        attach::Ended::Engine
                    }
                };
                if ended == attach::Ended::Engine {
                    break;
                }
                let settings = registry(&engine, &args.target.beside(environment), printer).await?;
                wiring = super::wiring(settings, environment, args.force, args.dry_run)?;
            }
            return Err(Failure::Other(format!("{} stopped, so the watch ended", engine.title())));
        }
        for client in &args.client {
            clients::wire(*client, &wiring, true, environment, &steps)?;
        }
        let mut is_well = true;
        if args.clusters.is_empty() && (args.client.is_empty() || args.all) {
            unnamed(&engine, args.all).await?;
            is_well &= up::attach_all(&engine, &wiring, &steps).await?;
        }
        // By naming a cluster, the user says that the cluster shall use this registry, also if it uses another one.
        let wiring = Wiring { takes_over: true, ..wiring };
        for name in &args.clusters {
            let cluster = named(&engine, name).await?;
            if !args.dry_run {
                attach::welcome(&engine, &cluster).await.map_err(failed)?;
            }
            is_well &= attach::attach(&engine, &cluster, &wiring, &report).await.map_err(failed)?;
        }
        told(&steps, args.dry_run, is_well, printer)
    })
}

/// Prints the number of changes. Anything that could not be wired is a failure.
pub(super) fn told(steps: &Steps, dry_run: bool, is_well: bool, printer: Printer) -> Result<(), Failure> {
    let text = match (steps.changes(), dry_run) {
        (0, false) => "nothing had to be changed".to_owned(),
        (0, true) => "nothing would change".to_owned(),
        (changes, false) => count_of(changes as u64, "change"),
        (changes, true) => format!("{} would be made", count_of(changes as u64, "change")),
    };
    printer.data(text, || steps.json());
    if is_well {
        return Ok(());
    }
    Err(Failure::Other(
        "the wiring is incomplete: the lines that begin with ! say what failed; `hythe doctor` finds out why"
            .to_owned(),
    ))
}

/// The clusters to attach if the user names none: the only one, or all with `--all`.
pub(super) async fn unnamed(engine: &Engine, all: bool) -> Result<Vec<Cluster>, Failure> {
    let found = clusters(engine).await.map_err(failed)?;
    if !all && found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|cluster| cluster.name.as_str()).collect();
        return Err(Failure::Usage(format!(
            "found several clusters ({}): name those to attach, or add --all",
            names.join(", ")
        )));
    }
    if found.is_empty() {
        return Err(Failure::Other(format!(
            "{} has no cluster of kind, k3d or minikube; `hythe attach --watch` attaches clusters as they appear",
            engine.title()
        )));
    }
    Ok(found)
}

/// The cluster with that name.
pub(super) async fn named(engine: &Engine, name: &str) -> Result<Cluster, Failure> {
    let found = clusters(engine).await.map_err(failed)?;
    let names: Vec<String> = found.iter().map(|cluster| cluster.name.clone()).collect();
    let cluster = found.into_iter().find(|cluster| cluster.name == name || cluster.context() == name);
    cluster.ok_or_else(|| {
        let there = if names.is_empty() {
            "it has no clusters".to_owned()
        } else {
            format!("its clusters are: {}", names.join(", "))
        };
        Failure::Usage(format!("{} has no cluster {name}; {there}", engine.title()))
    })
}
