//! `hythe down`: the registry's container goes, its data only when that is said.

use hythe_cluster::registry::{self as container, Data, Kept, Settings};
use serde_json::json;

use super::{confirmed, connect, failed, registry, run, service};
use crate::args::DownArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Removes the registry's container.
pub(in crate::commands) fn down(
    args: &DownArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let settings: Settings = registry(&engine, &args.target).await?;
        let name = &settings.name;
        if args.delete_data
            && !args.yes
            && !confirmed(&format!("Delete {} and every image in it?", settings.data), printer)?
        {
            printer.note("nothing was done");
            return Ok(());
        }
        let data = &settings.data;
        let text = if args.delete_data {
            let kept = container::forget(&engine, &settings).await;
            gone(&settings, &kept.map_err(|error| Failure::Other(error.to_string()))?)
        } else {
            container::discard(&engine, name).await.map_err(failed)?;
            engine.stop(name).await.map_err(failed)?;
            engine.remove(name).await.map_err(failed)?;
            format!("{name} is gone; {data} stays, for the next `{}`", next(&settings))
        };
        let watched = service::remove(name, environment);
        printer.data(text, || json!({ "removed": name, "data": data, "data_deleted": args.delete_data }));
        printer.note(
            "clusters ask upstreams directly now; their wiring stays, and works again after `hythe up`",
        );
        if watched? {
            printer.note("the service that attached nodes as they appeared is gone too");
        }
        Ok(())
    })
}

/// What became of the data.
fn gone(settings: &Settings, kept: &Kept) -> String {
    let Settings { name, data, .. } = settings;
    match kept {
        Kept::Nothing => format!("{name} is gone, and {data} with it"),
        Kept::Folder => format!("{name} is gone, and what it kept in {data}; the folder stays"),
        Kept::Volume(others) => {
            let others = others.join(", ");
            format!("{name} is gone, and what it kept in {data}; the volume stays, as {others} mounts it")
        }
    }
}

/// The command that takes the data up again.
fn next(settings: &Settings) -> String {
    let name = &settings.name;
    let named = if name == container::DEFAULT_NAME { String::new() } else { format!(" --name {name}") };
    match &settings.data {
        Data::Volume(volume) if *volume == format!("{name}-data") => format!("hythe up{named}"),
        Data::Volume(volume) => format!("hythe up{named} --volume {volume}"),
        Data::Folder(folder) => format!("hythe up{named} --data {}", folder.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::up::default_settings;
    use super::*;

    #[test]
    fn it_is_told_what_stays_and_who_keeps_it() {
        let mut settings = default_settings("reg".to_owned());
        assert_eq!(gone(&settings, &Kept::Nothing), "reg is gone, and the volume reg-data with it");
        let text = gone(&settings, &Kept::Volume(vec!["reg-before".to_owned()]));
        assert!(text.ends_with("the volume stays, as reg-before mounts it"), "{text}");
        assert_eq!(next(&settings), "hythe up --name reg");
        settings.data = Data::Folder("/srv".into());
        assert_eq!(gone(&settings, &Kept::Folder), "reg is gone, and what it kept in /srv; the folder stays");
        assert_eq!(next(&default_settings("kind-registry".to_owned())), "hythe up");
    }
}
