//! `hythe up --process`: the registry as a process of this machine, for as long as the command runs.

use std::convert::Infallible;
use std::time::Duration;

use hythe_cluster::attach::{self, Process, Wiring};
use hythe_cluster::registry::RegistrySettings;
use hythe_cluster::step::{Outcome, Step};
use hythe_engine::Engine;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::logins::given_to;
use super::{Steps, kubeconfig, running, upstream_names};
use crate::args::UpArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::{Work, runtime};
use crate::commands::{deploy, serve};
use crate::config::{Environment, Inputs, key};
use crate::console::Printer;
use crate::failure::{Failure, StartError};

/// Pause before looking for the engine again after it stopped.
const AGAIN: Duration = Duration::from_secs(5);

/// Serves on loopback and at the gateways of the clusters' networks, and attaches nodes as they appear.
pub(super) fn process(args: &UpArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let mut settings = RegistrySettings::new(args.target.name.clone());
    settings.port = args.port.unwrap_or(settings.port);
    let mut flags = vec![("listen", format!("127.0.0.1:{}", settings.port))];
    flags.extend(args.data.iter().map(|data| ("data", data.display().to_string())));
    let flags = flags.into_iter().filter_map(|(name, value)| Some((key(name)?, vec![value]))).collect();
    let inputs = Inputs { file: args.config.clone(), flags, ..Inputs::default() };
    let mut environment = environment.clone();
    let given = deploy::variables(&args.settings, deploy::Server::Process)?;
    environment.variables.extend(given.into_iter().map(|(name, value)| (name, value.into())));
    let reader = serve::Reader::new(inputs, &environment, printer);
    let loaded = reader.read()?;
    printer.warnings(&loaded.warnings);
    let unshared: Vec<String> = loaded.unshared_logins().iter().map(ToString::to_string).collect();
    if !unshared.is_empty() {
        printer.note(format_args!("warning: {}", given_to(&unshared, "this machine and no node")));
    }
    runtime(Work::Registry)?.block_on(async {
        let engine = connect(&args.target.engine).await?;
        let (listeners, later) = mpsc::channel::<TcpListener>(1);
        let wiring = Wiring {
            upstreams: upstream_names(&loaded.settings),
            kubeconfig: kubeconfig(&environment),
            process: Some(Process::new(settings.port, listeners)),
            registry: settings.clone(),
            force: args.force,
            takes_over: false,
            dry_run: false,
        };
        let started =
            serve::start(loaded.settings, reader, printer).await.map_err(|error| again(error, settings.port));
        let Some(started) = started? else { return Ok(()) };
        tokio::select! {
            ended = started.serve(later) => ended,
            never = wire(&engine, &wiring, printer), if !args.no_attach => match never {},
            never = running::keep_telling(&engine, &settings), if !args.no_attach => match never {},
        }
    })
}

/// Names the flag of this command in the error about a port that is taken: `hythe serve` has another flag for the port.
fn again(error: Failure, port: u16) -> Failure {
    match error {
        Failure::Start(StartError::PortTaken { address, free, .. }) if address.port() == port => {
            Failure::PortTaken { address, instead: format!("`hythe up --process --port {free}`") }
        }
        error => error,
    }
}

/// Attaches the clusters that exist and those that appear later. A failure does not end the registry.
async fn wire(engine: &Engine, wiring: &Wiring, printer: Printer) -> Infallible {
    let steps = Steps::new(printer);
    let report = |step| steps.take(step);
    let mut last = String::new();
    loop {
        let text = match attach::watch(engine, wiring, &report).await {
            Ok(_) => "the engine stopped; nodes are attached again when it runs again".to_owned(),
            Err(error) => error.to_string(),
        };
        if text != last {
            report(Step::new("clusters", Outcome::Skipped, text.as_str()));
            last = text;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
