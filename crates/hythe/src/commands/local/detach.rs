//! `hythe detach`: removes the wiring from clusters.

use hythe_cluster::attach;
use hythe_cluster::registry as container;

use super::chosen::named;
use super::{Steps, clients, in_cluster, registry, settings_of, wiring};
use crate::args::DetachArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, LocalError};

/// Detaches the clusters and clients that the user names.
pub(in crate::commands) fn detach(
    args: &DetachArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        if args.target.in_cluster {
            return in_cluster::detach(&engine, args, environment, printer).await;
        }
        let target = args.target.beside(environment);
        // Nodes name the registry that they are wired to, so that a removed registry can be detached too. But if the
        // engine has another registry, the user may mean that one, and `registry` says so.
        let is_gone =
            container::list(&engine).await?.is_empty() && !container::is_cut(&engine, &target.name).await?;
        let settings = if is_gone {
            settings_of(&engine, &target.name, environment).await?
        } else {
            registry(&engine, &target, printer).await?
        };
        let wiring = wiring(settings, environment, false, args.dry_run)?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        for client in &args.client {
            clients::wire(*client, &wiring, false, environment, &steps)?;
        }
        let mut is_well = true;
        for name in &args.clusters {
            let cluster = named(&engine, name).await?;
            is_well &= attach::detach(&engine, &cluster, &wiring, &report).await?;
        }
        printer.data(count_of(steps.changes() as u64, "change"), || steps.json());
        if !args.clusters.is_empty() {
            printer.note(format_args!(
                "these clusters stay detached until you attach them by name: `hythe attach {}`",
                args.clusters.join(" ")
            ));
        }
        if is_well { Ok(()) } else { Err(LocalError::StillWired.into()) }
    })
}
