//! The registry beside this machine's clusters, as a container of its engine.

mod attach;
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
mod service;
mod status;
mod up;
mod upgrade;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;

use hythe_cluster::api::kubeconfig_files;
use hythe_cluster::attach::Wiring;
use hythe_cluster::engine::{Engine, EngineError, Surroundings};
use hythe_cluster::registry::{self, Found, Settings};
use hythe_cluster::step::{Outcome, Step};
use hythe_oci::Authority;
use serde_json::{Value, json};

use crate::args::{EngineArgs, NameArgs};
use crate::config::{Environment, Inputs, Loaded, allowed, load};
use crate::failure::Failure;
use crate::printer::{Output, Printer};

pub(super) use attach::attach;
pub(super) use detach::detach;
pub(super) use doctor::doctor;
pub(super) use down::down;
pub(super) use image::image;
pub(super) use kind_config::kind_config;
pub(super) use logs::logs;
pub(super) use status::status;
pub(super) use up::up;
pub(super) use upgrade::upgrade;

/// The engine that was asked for.
pub(super) async fn connect(args: &EngineArgs) -> Result<Engine, Failure> {
    let choice = args.engine.clone().unwrap_or_default();
    Engine::connect(&choice, &Surroundings::of_process()).await.map_err(failed)
}

/// The registry that runs in an engine under a name.
async fn registry(engine: &Engine, args: &NameArgs) -> Result<Settings, Failure> {
    let name = &args.name;
    match registry::find(engine, name).await.map_err(failed)? {
        Found::Ours(container) => {
            Settings::known(&container).map_err(|error| Failure::Other(error.to_string()))
        }
        Found::Foreign(_) => Err(Failure::Other(format!(
            "the container {name} is not hythe's: `hythe up --adopt` takes its place, with its data"
        ))),
        Found::Absent if registry::is_cut(engine, name).await.map_err(failed)? => {
            Err(Failure::Other(format!(
                "a replacement of {name} was cut short: `hythe up --name {name}` brings back the container that was there"
            )))
        }
        Found::Absent => {
            let others = registry::list(engine).await.map_err(failed)?;
            let hint = match others.as_slice() {
                [] => "start it: hythe up".to_owned(),
                [one] => format!("there is {one}: add --name {one}"),
                several => format!("there are {}: name one with --name", several.join(", ")),
            };
            Err(Failure::Other(format!("no registry {name} runs in {}; {hint}", engine.title())))
        }
    }
}

/// What clusters are wired to, as this user's surroundings say.
fn wiring(
    registry: Settings,
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
        dry_run,
    })
}

/// The upstreams that a registry may ask: those of its own configuration, not of this user's.
fn upstreams(registry: &Settings) -> Result<Vec<Authority>, Failure> {
    let (loaded, _) = configuration(registry, BTreeMap::new())?;
    Ok(upstream_names(&loaded.settings))
}

fn upstream_names(settings: &crate::settings::Settings) -> Vec<Authority> {
    allowed(settings).all().iter().map(|upstream| upstream.name.clone()).collect()
}

/// The configuration that a registry has in its container, and the surroundings that it was read in: these variables and
/// its own.
fn configuration(
    registry: &Settings,
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

/// Prints steps as they are done, and keeps them for programs.
struct Steps {
    printer: Printer,
    done: Mutex<Vec<Step>>,
}

impl Steps {
    fn new(printer: Printer) -> Self {
        Self { printer, done: Mutex::new(Vec::new()) }
    }

    fn take(&self, step: Step) {
        if self.printer.output() == Output::Text {
            self.printer.note(&step);
        }
        if step.outcome == Outcome::Underway {
            return;
        }
        // A panic while it is held is impossible: only pushes and reads.
        self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(step);
    }

    fn all(&self) -> Vec<Step> {
        self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn changes(&self) -> usize {
        self.all().iter().filter(|step| step.outcome == Outcome::Changed).count()
    }

    /// The data that a program reads.
    fn json(&self) -> Value {
        json!({ "steps": self.all(), "changed": self.changes() })
    }
}

/// That the engine did not do what it was asked.
#[allow(clippy::needless_pass_by_value, reason = "the signature of `map_err`")]
fn failed(error: EngineError) -> Failure {
    Failure::Other(error.to_string())
}

/// How many, in words.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Runs what waits for the engine.
fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    super::deploy::run(work)
}

/// Asks the user on the terminal; an end of input is a no.
fn confirmed(question: &str, printer: Printer) -> Result<bool, Failure> {
    use std::io::{BufRead as _, IsTerminal as _};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::Usage(
            "this wants to be confirmed, and there is no terminal to ask on: add --yes".to_owned(),
        ));
    }
    printer.note(format_args!("{question} [y/N]"));
    let mut answer = String::new();
    let _ = stdin.lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
