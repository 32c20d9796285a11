//! The commands for a registry that runs as a container of this machine's engine, beside local clusters.

mod attach;
mod attached;
mod chosen;
mod clients;
mod detach;
mod doctor;
mod down;
mod image;
mod in_cluster;
mod kind_config;
mod logins;
mod logs;
mod process;
mod running;
mod service;
mod status;
mod steps;
mod up;
mod upgrade;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use hythe_cluster::attach::Wiring;
use hythe_cluster::registry::{self, Found, RegistrySettings};
use hythe_engine::{Engine, EngineError};
use hythe_kube::api::kubeconfig_files;
use hythe_oci::Authority;

use crate::args::NameArgs;
use crate::config::{Environment, Inputs, Loaded, allowed, load};
use crate::console::Printer;
use crate::failure::{Failure, LocalError};
use steps::Steps;

pub(super) use attach::attach;
pub(super) use chosen::named;
pub(super) use detach::detach;
pub(super) use doctor::doctor;
pub(super) use down::down;
pub(super) use image::image;
pub(super) use kind_config::kind_config;
pub(super) use logs::logs;
pub(super) use status::status;
pub(super) use up::up;
pub(super) use upgrade::upgrade;

/// Finds the registry that `args` names and returns its settings, whether `hythe up` or another tool (Compose, `docker
/// run`) created hythe's container. Fails if the container runs other software, or if there is none. Tells `printer` the
/// registry's port, for the commands that messages suggest.
async fn registry(engine: &Engine, args: &NameArgs, printer: Printer) -> Result<RegistrySettings, Failure> {
    let name = &args.name;
    let found = registry::find(engine, name).await?;
    match &found {
        Found::Ours(container) => {
            let settings = RegistrySettings::known(container)?;
            printer.registry_port(settings.port);
            Ok(settings)
        }
        Found::Theirs(_) => {
            // A container always has settings.
            let settings = found.settings().unwrap_or_else(|| RegistrySettings::new(name.clone()));
            printer.registry_port(settings.port);
            Ok(settings)
        }
        Found::Foreign(_) => Err(LocalError::Foreign { name: name.clone() }.into()),
        Found::Absent => Err(missing(engine, name).await?.into()),
    }
}

/// The same for a registry that `hythe up` started. A container that another tool manages is an error: hythe leaves it
/// to that tool.
async fn own_registry(
    engine: &Engine,
    args: &NameArgs,
    printer: Printer,
) -> Result<RegistrySettings, Failure> {
    if let Found::Theirs(_) = registry::find(engine, &args.name).await? {
        registry::own(engine, &args.name).await?;
    }
    registry(engine, args, printer).await
}

/// An error that says why no registry has that name, and what to do.
async fn missing(engine: &Engine, name: &str) -> Result<LocalError, EngineError> {
    if registry::is_cut(engine, name).await? {
        return Ok(LocalError::Interrupted { name: name.to_owned() });
    }
    let remembered = registry::remembered(engine, name).await?.is_some();
    let others = registry::list(engine).await?;
    let (name, engine) = (name.to_owned(), engine.title());
    Ok(LocalError::NoRegistry { name, engine, remembered, others })
}

/// The settings of the registry with that name. If it has no container, the settings that the engine remembers, else
/// the defaults with the port of the user's `REG_PORT`.
async fn settings_of(
    engine: &Engine,
    name: &str,
    environment: &Environment,
) -> Result<RegistrySettings, EngineError> {
    if let Some(settings) = registry::find(engine, name).await?.settings() {
        return Ok(settings);
    }
    let remembered = registry::remembered(engine, name).await?;
    Ok(remembered.unwrap_or_else(|| default_settings(name.to_owned(), environment)))
}

/// Default settings with a name, and with the port of `REG_PORT` if that is set.
fn default_settings(name: String, environment: &Environment) -> RegistrySettings {
    let port = environment.variables.get("REG_PORT").and_then(|port| port.to_str()?.parse().ok());
    let settings = RegistrySettings::new(name);
    RegistrySettings { port: port.unwrap_or(settings.port), ..settings }
}

/// The wiring of clusters to a registry, with the kubeconfig files of this user.
fn wiring(
    registry: RegistrySettings,
    environment: &Environment,
    force: bool,
    dry_run: bool,
) -> Result<Wiring, Failure> {
    Ok(Wiring {
        upstreams: upstreams(&registry)?,
        kubeconfig: kubeconfig(environment),
        process: None,
        registry,
        force,
        takes_over: false,
        dry_run,
    })
}

/// The upstreams that a registry may pull from: those of its own configuration, not of this user's.
fn upstreams(registry: &RegistrySettings) -> Result<Vec<Authority>, Failure> {
    let (loaded, _) = configuration(registry, BTreeMap::new())?;
    Ok(upstream_names(&loaded.settings))
}

fn upstream_names(settings: &crate::settings::Settings) -> Vec<Authority> {
    allowed(settings).all().iter().map(|upstream| upstream.name.clone()).collect()
}

/// The configuration that a registry has in its container, and the environment that it was read with: the given
/// variables and the registry's own.
fn configuration(
    registry: &RegistrySettings,
    mut variables: BTreeMap<String, OsString>,
) -> Result<(Loaded, Environment), Failure> {
    variables.extend(registry.environment.iter().map(|(name, value)| (name.clone(), value.into())));
    variables.insert("HYTHE_DATA".to_owned(), hythe_cluster::image::DATA_FOLDER.into());
    let environment = Environment { variables, root: false, system_folder: None };
    let inputs = Inputs { file: registry.config.clone(), ..Inputs::default() };
    Ok((load(&inputs, &environment)?, environment))
}

fn kubeconfig(environment: &Environment) -> Vec<PathBuf> {
    let variable = |name: &str| environment.variables.get(name);
    let home = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    kubeconfig_files(variable("KUBECONFIG").map(AsRef::as_ref), home.as_deref())
}

/// Asks the user on the terminal. The end of input means no.
fn confirmed(question: &str, printer: Printer) -> Result<bool, Failure> {
    use std::io::{BufRead as _, IsTerminal as _};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(format!(
            "{question} Cannot ask, because stdin is not a terminal: add --yes"
        )));
    }
    printer.note(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
