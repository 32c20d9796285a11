//! `hythe detach`: clusters as they were before.

use hythe_cluster::attach;
use hythe_cluster::registry as container;

use super::{
    Steps, attach::named, clients, connect, count, failed, in_cluster, registry, run, settings_of, wiring,
};
use crate::args::DetachArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Detaches what was asked for.
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
        // What it left in nodes is known by its name, also when it is gone. Where there is another one, that may be meant.
        let is_gone = container::list(&engine).await.map_err(failed)?.is_empty()
            && !container::is_cut(&engine, &target.name).await.map_err(failed)?;
        let settings = if is_gone {
            settings_of(&engine, &target.name, environment).await.map_err(failed)?
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
            is_well &= attach::detach(&engine, &cluster, &wiring, &report).await.map_err(failed)?;
        }
        printer.data(count(steps.changes(), "change"), || steps.json());
        if !args.clusters.is_empty() {
            printer.note(format_args!(
                "nothing attaches them until they are named: `hythe attach {}`",
                args.clusters.join(" ")
            ));
        }
        if is_well {
            Ok(())
        } else {
            Err(Failure::Other(
                "some of it could not be removed: the lines that begin with ! say what".to_owned(),
            ))
        }
    })
}
