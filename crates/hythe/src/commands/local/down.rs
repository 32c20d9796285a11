//! `hythe down`: removes the registry's container, and its data only on request.

use hythe_cluster::image::Image;
use hythe_cluster::registry::{self as container, Data, Kept, RegistryError, RegistrySettings};
use hythe_cluster::topology::clusters;
use hythe_engine::Engine;
use serde_json::json;

use super::{confirmed, default_settings, missing, own_registry, service};
use crate::args::DownArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Removes the registry's container.
pub(in crate::commands) fn down(
    args: &DownArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let name = &args.target.name;
        let is_there = container::own(&engine, name).await?.is_some();
        let (settings, is_known) = if is_there {
            (own_registry(&engine, &args.target, printer).await?, true)
        } else {
            down_already(&engine, args, environment).await?
        };
        let data = &settings.data;
        if args.delete_data
            && !args.yes
            && !confirmed(&format!("Delete {data} and every image in it?"), printer)?
        {
            printer.note("nothing was deleted");
            return Ok(());
        }
        let text = if args.delete_data {
            let image = async || own_image(&engine, printer).await;
            let kept = container::forget(&engine, &settings, is_known, image).await;
            gone(&settings, &kept?)
        } else {
            container::remember(&engine, &settings).await?;
            container::discard(&engine, name).await?;
            engine.stop(name).await?;
            engine.remove(name).await?;
            format!("{name} is removed; {data} stays: `hythe up` brings it back as it was")
        };
        let watched = service::remove(name, environment);
        printer.data(text, || json!({ "removed": name, "data": data, "data_deleted": args.delete_data }));
        if !clusters(&engine).await?.is_empty() {
            printer.note(
                "clusters now pull from upstreams directly; their wiring stays, and works again after `hythe up`",
            );
        }
        if watched? {
            printer.note("the service that attached new nodes is removed too");
        }
        Ok(())
    })
}

/// The settings of a registry without a container, for deleting its data, and whether its data is known (true) or only
/// guessed from its name (false).
async fn down_already(
    engine: &Engine,
    args: &DownArgs,
    environment: &Environment,
) -> Result<(RegistrySettings, bool), Failure> {
    let name = &args.target.name;
    if args.delete_data && !container::is_cut(engine, name).await? {
        if let Some(settings) = container::remembered(engine, name).await? {
            return Ok((settings, true));
        }
        let settings = default_settings(name.clone(), environment);
        // An earlier version of hythe left a volume without remembering the registry's settings.
        if let Data::Volume(volume) = &settings.data
            && engine.volume(volume).await?.is_some()
        {
            return Ok((settings, false));
        }
    }
    Err(missing(engine, name).await?.into())
}

/// Loads hythe's image into the engine, to delete data that the registry's own image would delete if it were there.
async fn own_image(engine: &Engine, printer: Printer) -> Result<String, RegistryError> {
    let image = Image::of(None, env!("CARGO_PKG_VERSION"))?;
    container::load(engine, &image, &|step| printer.note(step)).await?;
    Ok(image.reference)
}

/// The sentence that says what was deleted, and what stays.
fn gone(settings: &RegistrySettings, kept: &Kept) -> String {
    let RegistrySettings { name, data, .. } = settings;
    match kept {
        Kept::Nothing => format!("{name} and {data} are deleted"),
        Kept::Folder => format!("{name} and its data in {data} are deleted; the folder itself stays"),
        Kept::Volume(others) if others.is_empty() => format!(
            "{name} and its data in {data} are deleted; the volume itself stays, because nothing shows that hythe made \
             it"
        ),
        Kept::Volume(others) => {
            let others = others.join(", ");
            format!(
                "{name} and its data in {data} are deleted; the volume itself stays, because it is mounted by {others}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_stays_and_why() {
        let mut settings = RegistrySettings::new("reg".to_owned());
        assert_eq!(gone(&settings, &Kept::Nothing), "reg and the volume reg-data are deleted");
        let text = gone(&settings, &Kept::Volume(vec!["reg-before".to_owned()]));
        assert!(text.ends_with("the volume itself stays, because it is mounted by reg-before"), "{text}");
        let text = gone(&settings, &Kept::Volume(Vec::new()));
        assert!(
            text.ends_with("the volume itself stays, because nothing shows that hythe made it"),
            "{text}"
        );
        settings.data = Data::Folder("/srv".into());
        assert_eq!(
            gone(&settings, &Kept::Folder),
            "reg and its data in /srv are deleted; the folder itself stays"
        );
    }
}
