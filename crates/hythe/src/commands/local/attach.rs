//! `hythe attach`: wires clusters to the registry.

use hythe_cluster::attach::{self, Wiring};

use super::attached::attach_all;
use super::chosen::{named, unnamed};
use super::{Steps, clients, in_cluster, logins, registry, running, wiring};
use crate::args::AttachArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::{Failure, LocalError};

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
                    ended = attach::watch(&engine, &wiring, &report) => ended?,
                    ended = logins::keep(&engine, &wiring.registry, environment, &report) => {
                        ended?;
                        attach::Ended::Engine
                    }
                    never = running::keep_telling(&engine, &wiring.registry) => match never {},
                };
                if ended == attach::Ended::Engine {
                    break;
                }
                let settings = registry(&engine, &args.target.beside(environment), printer).await?;
                wiring = super::wiring(settings, environment, args.force, args.dry_run)?;
            }
            return Err(LocalError::EngineStopped { engine: engine.title() }.into());
        }
        for client in &args.client {
            clients::wire(*client, &wiring, true, environment, &steps)?;
        }
        let mut is_well = true;
        if args.clusters.is_empty() && (args.client.is_empty() || args.all) {
            unnamed(&engine, args.all).await?;
            is_well &= attach_all(&engine, &wiring, &steps).await?;
        }
        // By naming a cluster, the user says that the cluster shall use this registry, also if it uses another one.
        let wiring = Wiring { takes_over: true, ..wiring };
        for name in &args.clusters {
            let cluster = named(&engine, name).await?;
            if !args.dry_run {
                attach::welcome(&engine, &cluster).await?;
            }
            is_well &= attach::attach(&engine, &cluster, &wiring, &report).await?;
        }
        if !args.dry_run {
            running::tell(&engine, &wiring.registry).await;
        }
        steps.tell(args.dry_run, is_well, printer)
    })
}
