//! `hythe up`: runs the registry and wires clusters to it.

mod settings;

use hythe_cluster::image::Image;
use hythe_cluster::registry::{self, Found, RegistrySettings};
use hythe_cluster::step::{Outcome, Step};
use hythe_engine::Engine;
use serde_json::json;

use super::attached::{Attached, attach_every};
use super::logins::Handed;
use super::{Steps, confirmed, process, running, service, upstreams, wiring};
use crate::args::UpArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, LocalError};
use settings::{check_data, check_folder, check_name, check_paths, settings};

/// Runs the registry and attaches the clusters.
pub(in crate::commands) fn up(
    args: &UpArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    check_name("--name", &args.target.name)?;
    if let Some(folder) = &args.data {
        check_folder(folder, environment)?;
    }
    if args.process {
        return process::process(args, environment, printer);
    }
    run(async {
        let engine = connect(&args.target.engine).await?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        check_paths(args, engine.remote())?;
        let name = &args.target.name;
        if !args.dry_run {
            registry::recover(&engine, name, &report).await?;
        }
        let before = before(&engine, name).await?;
        let mut settings = settings(args, before.clone(), environment)?;
        if args.data.is_none() && engine.remote().is_none() {
            check_data(&settings)?;
        }
        let former = before.map(|before| before.data).filter(|data| *data != settings.data);
        if let Some(former) = &former
            && !args.yes
            && !args.dry_run
            && !confirmed(
                &format!(
                    "The registry would use {} and no longer serve the images in {former}, which stay there. Continue?",
                    settings.data
                ),
                printer,
            )?
        {
            printer.note("nothing was changed");
            return Ok(());
        }
        let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))?;
        if !args.dry_run {
            // Look up the logins first: a failure must come before any change.
            let handed = Handed::find(&settings, environment).await?.whole()?;
            settings.logins = handed.logins;
            registry::load(&engine, &image, &report).await?;
            let begun = begin(&engine, settings.clone(), args, &image, &steps).await;
            // Also if `begin` failed and restored the previous container: that one has lost its logins too.
            let told = handed.hand_over(&engine, begun.as_ref().unwrap_or(&settings), &report).await;
            settings = begun?;
            told?;
        }
        if let Some(former) = former {
            let text = format!("now in {}; the earlier images stay in {former}", settings.data);
            report(Step::new("data", Outcome::Changed, text));
        }
        printer.registry_port(settings.port);
        if !settings.address.is_loopback() {
            printer.note(format_args!(
                "warning: anybody who can reach {} on port {} can push to the registry and delete from it",
                settings.address, settings.port
            ));
        }
        let wiring = wiring(settings.clone(), environment, args.force, args.dry_run)?;
        let attached =
            if args.no_attach { Attached::default() } else { attach_every(&engine, &wiring, &steps).await? };
        printer.data(summary(&settings, &steps, args.dry_run), || {
            let mut data = steps.json();
            data["registry"] = json!(settings);
            data
        });
        if !args.dry_run && !args.no_attach {
            running::tell(&engine, &settings).await;
        }
        if args.watch && !args.dry_run {
            let service = service::install(&settings.name, engine.address(), environment)?;
            printer.note(format_args!("a service attaches new nodes: {service}"));
        }
        if attached.failed > 0 {
            return Err(LocalError::Unwired.into());
        }
        if !args.dry_run {
            printer.note(attached.hint(settings.port));
        }
        Ok(())
    })
}

/// The settings that an earlier `hythe up` gave the registry, also if its container is gone. None of them is guessed:
/// with a wrong guess the registry's data would seem to be lost.
async fn before(engine: &Engine, name: &str) -> Result<Option<RegistrySettings>, Failure> {
    match registry::find(engine, name).await? {
        Found::Ours(container) => Ok(Some(RegistrySettings::known(&container)?)),
        Found::Absent => registry::remembered(engine, name).await.map_err(Failure::from),
        Found::Theirs(_) => {
            registry::own(engine, name).await?;
            Ok(None)
        }
        Found::Foreign(_) => Ok(None),
    }
}

/// Starts the registry. With `--adopt`, it takes the place of the container that has its name or port.
async fn begin(
    engine: &Engine,
    settings: RegistrySettings,
    args: &UpArgs,
    image: &Image,
    steps: &Steps,
) -> Result<RegistrySettings, Failure> {
    let report = |step| steps.take(step);
    if args.adopt
        && let Some(before) = registry::predecessor(engine, &settings).await?
    {
        let heir = registry::heir(engine, &before, &settings, args.port.is_none()).await?;
        // Fails on settings of the old container that hythe cannot keep, its users for example, before stopping it.
        upstreams(&heir)?;
        registry::adopt(engine, &before, &heir, image, &report).await?;
        return Ok(heir);
    }
    upstreams(&settings)?;
    registry::run(engine, &settings, image, &report).await?;
    Ok(settings)
}

fn summary(settings: &RegistrySettings, steps: &Steps, dry_run: bool) -> String {
    let changes = steps.changes();
    let told = match (changes, dry_run) {
        (0, true) => "nothing would change".to_owned(),
        (0, false) => "nothing had to be changed".to_owned(),
        (changes, true) => format!("{} would be made", count_of(changes as u64, "change")),
        (changes, false) => count_of(changes as u64, "change"),
    };
    format!("localhost:{} ({}, in clusters {}:5000): {told}", settings.port, settings.data, settings.name)
}
