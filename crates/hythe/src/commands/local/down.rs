//! `hythe down`: the registry's container goes, its data only when that is said.

use hythe_cluster::registry::{Data, Settings};
use serde_json::json;

use super::{confirmed, connect, failed, registry, run};
use crate::args::DownArgs;
use crate::failure::Failure;
use crate::printer::Printer;

/// Removes the registry's container.
pub(in crate::commands) fn down(args: &DownArgs, printer: Printer) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let settings: Settings = registry(&engine, &args.target).await?;
        let name = &settings.name;
        if args.delete_data && !args.yes && !confirmed(&format!("Delete {} and every image in it?", settings.data), printer)? {
            printer.note("nothing was done");
            return Ok(());
        }
        engine.stop(name).await.map_err(failed)?;
        engine.remove(name).await.map_err(failed)?;
        let data = &settings.data;
        let text = match (args.delete_data, data) {
            (false, _) => format!("{name} is gone; {data} stays, for the next `{}`", next(&settings)),
            (true, Data::Volume(volume)) => {
                engine.remove_volume(volume).await.map_err(failed)?;
                format!("{name} is gone, and {data} with it")
            }
            (true, Data::Folder(folder)) => {
                std::fs::remove_dir_all(folder).map_err(|error| {
                    Failure::Other(format!("{name} is gone; {data} could not be removed: {error}"))
                })?;
                format!("{name} is gone, and {data} with it")
            }
        };
        printer.data(text, || json!({ "removed": name, "data": data, "data_deleted": args.delete_data }));
        printer.note("clusters ask upstreams directly now; their wiring stays, and works again after `hythe up`");
        Ok(())
    })
}

/// The command that takes the data up again.
fn next(settings: &Settings) -> String {
    let name = &settings.name;
    match &settings.data {
        Data::Volume(volume) if *volume == format!("{name}-data") => "hythe up".to_owned(),
        Data::Volume(volume) => format!("hythe up --volume {volume}"),
        Data::Folder(folder) => format!("hythe up --data {}", folder.display()),
    }
}
