//! `hythe up`: the registry runs, and clusters are wired to it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use hythe_cluster::attach::{self, Wiring};
use hythe_cluster::engine::Engine;
use hythe_cluster::image::Image;
use hythe_cluster::registry::{self, Data, Found, Settings};
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::clusters;
use serde_json::json;

use super::{Steps, connect, count, failed, run, service, upstreams, wiring};
use crate::args::UpArgs;
use crate::commands::deploy;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// hythe's user in a container.
const USER: u32 = 1000;

/// Runs the registry and attaches the clusters.
pub(in crate::commands) fn up(args: UpArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let before = match registry::find(&engine, &args.target.name).await.map_err(failed)? {
            Found::Ours(container) => Settings::recorded(&container),
            Found::Foreign(_) | Found::Absent => None,
        };
        let mut settings = settings(&args, before)?;
        let steps = Steps::new(printer);
        let report = |step| steps.take(step);
        let image = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))
            .map_err(|error| Failure::Other(error.to_string()))?;
        if !args.dry_run {
            registry::load(&engine, &image, &report).await.map_err(|error| Failure::Other(error.to_string()))?;
            settings = begin(&engine, settings, &args, &image, &steps).await?;
        }
        let wiring = wiring(settings.clone(), environment, args.force, args.dry_run)?;
        let is_well = args.no_attach || attach_all(&engine, &wiring, &steps).await?;
        printer.data(summary(&settings, &steps, args.dry_run), || {
            let mut data = steps.json();
            data["registry"] = json!(settings);
            data
        });
        if args.watch && !args.dry_run {
            let engine = args.target.engine.engine.as_ref().map(ToString::to_string);
            let service = service::install(&settings.name, engine.as_deref(), environment)?;
            printer.note(format_args!("nodes that appear are attached by {service}"));
        }
        if !is_well {
            return Err(Failure::Other(
                "not everything could be wired: the lines with ! say what, and `hythe doctor` says why".to_owned(),
            ));
        }
        if !args.dry_run {
            let port = settings.port;
            printer.note(format_args!(
                "try it:  docker tag IMAGE localhost:{port}/app && docker push localhost:{port}/app\n\
                 then use image: localhost:{port}/app in a Pod; docker.io and other images come through it as they are"
            ));
        }
        Ok(())
    })
}

/// Has the registry run, in the place of another one where that is asked for.
async fn begin(
    engine: &Engine,
    settings: Settings,
    args: &UpArgs,
    image: &Image,
    steps: &Steps,
) -> Result<Settings, Failure> {
    let report = |step| steps.take(step);
    let other = |error: registry::RegistryError| Failure::Other(error.to_string());
    if args.adopt
        && let Some(before) = registry::predecessor(engine, &settings).await.map_err(failed)?
    {
        let heir = registry::heir(engine, &before, &settings, args.port.is_none()).await.map_err(other)?;
        // What cannot be kept of its settings, its users for one, is known before it is stopped.
        upstreams(&heir)?;
        registry::adopt(engine, &before, &heir, image, &report).await.map_err(other)?;
        return Ok(heir);
    }
    upstreams(&settings)?;
    registry::run(engine, &settings, image, &report).await.map_err(other)?;
    Ok(settings)
}

/// Attaches every cluster that nobody detached.
pub(super) async fn attach_all(engine: &Engine, wiring: &Wiring, steps: &Steps) -> Result<bool, Failure> {
    let report = |step| steps.take(step);
    let mut is_well = true;
    for cluster in clusters(engine).await.map_err(failed)? {
        if !cluster.is_running() {
            report(Step::new(cluster.to_string(), Outcome::Skipped, "it does not run"));
            continue;
        }
        if attach::is_detached(engine, &cluster).await.map_err(failed)? {
            let text = format!("it was detached; `hythe attach {}` takes it up again", cluster.name);
            report(Step::new(cluster.to_string(), Outcome::Skipped, text));
            continue;
        }
        is_well &= attach::attach(engine, &cluster, wiring, &report).await.map_err(failed)?;
    }
    Ok(is_well)
}

/// What is asked for, over what is there, over the defaults.
fn settings(args: &UpArgs, before: Option<Settings>) -> Result<Settings, Failure> {
    let name = args.target.name.clone();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(Failure::Usage(format!("--name {name}: a container's name has letters, digits, -, _ and .")));
    }
    let mut settings = before.unwrap_or_else(|| default_settings(name));
    if !args.alias.is_empty() {
        settings.aliases.clone_from(&args.alias);
    }
    settings.address = args.address.unwrap_or(settings.address);
    settings.port = args.port.unwrap_or(settings.port);
    settings.mirror_port = args.mirror_port.or(settings.mirror_port);
    if let Some(folder) = &args.data {
        let (folder, user) = data_folder(folder)?;
        settings.data = Data::Folder(folder);
        settings.user = user;
    }
    if let Some(volume) = &args.volume {
        settings.data = Data::Volume(volume.clone());
    }
    if let Some(config) = &args.config {
        let absolute = std::path::absolute(config).ok().filter(|path| path.is_file());
        let unreadable = || Failure::Usage(format!("--config {}: there is no such file", config.display()));
        settings.config = Some(absolute.ok_or_else(unreadable)?);
    }
    if !args.settings.is_empty() {
        // Those of a registry:2 whose place was taken stay.
        settings.environment.retain(|name, _| name.starts_with("REGISTRY_"));
        settings.environment.extend(deploy::variables(&args.settings)?);
    }
    Ok(settings)
}

/// A registry that nothing was said of but its name.
pub(super) fn default_settings(name: String) -> Settings {
    Settings {
        aliases: Vec::new(),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: 5001,
        mirror_port: None,
        data: Data::Volume(format!("{name}-data")),
        config: None,
        environment: std::collections::BTreeMap::new(),
        user: (USER, USER),
        name,
    }
}

/// The folder, made where it is not there, and the user who may write in it.
fn data_folder(folder: &Path) -> Result<(PathBuf, (u32, u32)), Failure> {
    let unusable = |error: std::io::Error| {
        Failure::Usage(format!("--data {}: the folder cannot be used: {error}", folder.display()))
    };
    let is_new = !folder.exists();
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let folder = std::fs::canonicalize(folder).map_err(unusable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let metadata = std::fs::metadata(&folder).map_err(unusable)?;
        if metadata.uid() != 0 {
            return Ok((folder, (metadata.uid(), metadata.gid())));
        }
        let is_empty = is_new || std::fs::read_dir(&folder).map_err(unusable)?.next().is_none();
        // Root's, with something in it: changing whose it is is the user's to say.
        if is_empty && chown(&folder, Some(USER), Some(USER)).is_ok() {
            return Ok((folder, (USER, USER)));
        }
        Ok((folder, (0, 0)))
    }
    #[cfg(not(unix))]
    Ok((folder, (USER, USER)))
}

fn summary(settings: &Settings, steps: &Steps, dry_run: bool) -> String {
    let changes = steps.changes();
    let changed = match (changes, dry_run) {
        (0, true) => "nothing would change".to_owned(),
        (0, false) => "nothing had to be changed".to_owned(),
        (changes, true) => format!("{} would be made", count(changes, "change")),
        (changes, false) => count(changes, "change"),
    };
    format!("localhost:{} ({}, in clusters {}:5000): {changed}", settings.port, settings.data, settings.name)
}
