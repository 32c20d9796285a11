//! `hythe serve`: starts the registry.

mod announcement;
mod auth;
pub(super) mod logging;
mod open;
mod reader;
mod reload;
mod signals;
mod taken;
pub(super) mod takeover;
#[cfg(target_os = "linux")]
mod user;
mod wiring;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hythe_registry::Registry;
use hythe_server::{Listener, Log, LogGuard, Mirror, Server, Tls};
use hythe_storage::fs::check_data_folder;
use hythe_upstream::Cache;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use announcement::announce;
pub(super) use open::{RESTORING, catalog_path, open};
pub use reader::Reader;
pub(super) use taken::Taken;
#[cfg(target_os = "linux")]
pub(super) use user::{FOLDERS, MARK, give, is_own_file};

use auth::Authentication;
use reload::{Running, reload_on_hangup};
use signals::{Hangups, asked_to_stop};

use super::interrupt::Interrupts;
use super::runtime::{Work, runtime};
use crate::config::{Environment, Inputs, Loaded, allowed};
use crate::console::Printer;
use crate::failure::{Failure, StartError};
use crate::settings::Settings;
use crate::values::{Listen, Storage};

/// The longest wait at the end for work on other threads.
const END: Duration = Duration::from_secs(5);

/// Reads the configuration and runs the server until it is asked to stop.
pub(super) fn serve(inputs: Inputs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let reader = Reader::new(inputs, environment, printer);
    let loaded = reader.read()?;
    #[cfg(target_os = "linux")]
    if environment.root && reader.inputs.in_place && leave_root(&loaded, printer)? {
        return Ok(());
    }
    printer.warnings(&loaded.warnings);
    let runtime = runtime(Work::Registry)?;
    let outcome = runtime.block_on(run(loaded.settings, reader, printer));
    // A scheduled backup may still wait for its destination. What it has not finished, the next one does.
    runtime.shutdown_timeout(END);
    outcome
}

/// Does what only root can do, then executes the program again as an ordinary user. Returns only if the process stays
/// root (false), because it is configured to or must, or if a signal asked it to stop meanwhile (true).
#[cfg(target_os = "linux")]
fn leave_root(loaded: &Loaded, printer: Printer) -> Result<bool, Failure> {
    let settings = &loaded.settings;
    if settings.stay_root {
        printer.note("the server keeps running as root, because `stay-root` is on");
        return Ok(false);
    }
    let data = (settings.storage == Storage::Fs).then_some(settings.data.as_path());
    // Checked before the folder is given to that user.
    data.map_or(Ok(()), check_data_folder).map_err(StartError::from)?;
    let tls = &settings.tls;
    let files = loaded.file.iter().chain(&tls.certificate).chain(&tls.key).chain(&tls.client_ca);
    let files = files.chain(&settings.auth.htpasswd);
    if let Err(why) = user::try_on(data, files) {
        printer.note(format_args!("warning: the server keeps running as root: {why}"));
        return Ok(false);
    }
    if let Some(data) = data {
        if !runtime(Work::Registry)?.block_on(prepare(settings))? {
            return Ok(true);
        }
        user::give(data, (user::USER, user::USER))
            .map_err(|error| StartError::User { user: user::USER, error })?;
    }
    printer.note(format_args!("continues as user {0}, group {0}", user::USER));
    Err(StartError::User { user: user::USER, error: user::begin_anew() }.into())
}

/// Opens the data folder once and imports the content that another registry left there: only root may make hard links
/// to another user's files. Returns false if a signal asked the process to stop meanwhile.
#[cfg(target_os = "linux")]
async fn prepare(settings: &Settings) -> Result<bool, Failure> {
    let (log, _guard) =
        Log::start(std::io::stderr()).map_err(Failure::thread("the thread that writes the log"))?;
    logging::start(&settings.log, &log);
    let registry = open(settings).await?;
    let done = takeover::take_over(settings, &registry, &allowed(settings)).await;
    registry.close();
    done
}

/// Binds the listeners, opens the data folder, announces both, and serves until it is asked to stop.
pub async fn run(settings: Settings, reader: Reader, printer: Printer) -> Result<(), Failure> {
    match start(settings, reader, printer).await? {
        Some(started) => started.serve(mpsc::channel(1).1).await,
        None => Ok(()),
    }
}

/// Refuses a clock before 1970 or after 9999: HTTP's `Date` header cannot express these times.
fn check_clock(now: SystemTime) -> Result<(), StartError> {
    let year_10000 = Duration::from_hours(70_389_528);
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(age) if age < year_10000 => Ok(()),
        _ => Err(StartError::Clock),
    }
}

/// A server whose listeners are bound and whose data folder is open.
pub(super) struct Started {
    server: Server,
    registry: Registry,
    listeners: Vec<Listener>,
    reloading: JoinHandle<()>,
    interrupts: Interrupts,
    log: LogGuard,
}

/// Binds the listeners, opens the data folder, and announces both. `None` if a signal asked the process to stop
/// meanwhile.
pub(super) async fn start(
    settings: Settings,
    reader: Reader,
    printer: Printer,
) -> Result<Option<Started>, Failure> {
    check_clock(SystemTime::now())?;
    // Before the announcement: whoever reads it may send a signal at once, which would end a process that does not listen.
    let (hangups, interrupts) = (Hangups::listen(), Interrupts::listen());
    raise_descriptor_limit();
    let (log, log_guard) =
        Log::start(std::io::stderr()).map_err(Failure::thread("the thread that writes the log"))?;
    let levels = logging::start(&settings.log, &log);
    let upstreams = allowed(&settings);
    let tls = settings.tls.options().map(Tls::load).transpose().map_err(StartError::Tls)?.map(Arc::new);
    let tls_of = |listen: &Listen| tls.clone().filter(|_| settings.has_tls(listen));
    let listeners = bind(wiring::listeners(&settings, &upstreams), tls_of).await?;
    let registry = open(&settings).await?;
    registry.recover().await.map_err(|error| StartError::Recover { folder: settings.data.clone(), error })?;
    if !takeover::take_over(&settings, &registry, &upstreams).await? {
        registry.close();
        return Ok(None);
    }
    let mut authentication = Authentication::new(registry.clone()).map_err(StartError::from)?;
    authentication.first_user(&settings, printer).await?;
    let auth = authentication.of(&settings).map_err(StartError::from)?;
    announce(printer, &settings, &upstreams, &listeners);
    let cache = Cache::new(registry.clone(), upstreams, wiring::cache_options(&settings));
    let options = wiring::server_options(&settings, auth, &reader.environment);
    let server = Server::new(registry.clone(), cache.clone(), options, log);
    let running =
        Running { server: server.clone(), registry: registry.clone(), cache, tls, levels, authentication };
    let reloading = tokio::spawn(reload_on_hangup(settings, Arc::new(reader), running, hangups));
    Ok(Some(Started { server, registry, listeners, reloading, interrupts, log: log_guard }))
}

impl Started {
    /// Serves until it is asked to stop, also on the listeners that arrive by `later`.
    pub(super) async fn serve(self, later: mpsc::Receiver<TcpListener>) -> Result<(), Failure> {
        let outcome = self.server.run(self.listeners, later, asked_to_stop(self.interrupts)).await;
        self.reloading.abort();
        self.registry.close();
        drop(self.log);
        outcome.map_err(Failure::thread("the server's threads"))
    }
}

/// Binds each address. The error is about the first one that cannot be bound.
async fn bind(
    addresses: Vec<(Listen, Option<Mirror>)>,
    tls_of: impl Fn(&Listen) -> Option<Arc<Tls>>,
) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for (listen, mirror) in addresses {
        let mut refused = None;
        // An address of `listen` serves every name, also when an upstream is its fallback: only a mirror's own address
        // is reported with its upstream.
        let upstream =
            mirror.as_ref().filter(|mirror| !mirror.local_first).map(|mirror| mirror.upstream.clone());
        for address in listen.candidates() {
            match TcpListener::bind(address).await {
                Ok(socket) => {
                    refused = None;
                    listeners.push(Listener { socket, mirror: mirror.clone(), tls: tls_of(&listen) });
                    break;
                }
                Err(error) => refused = Some(StartError::bind(address, upstream.clone(), error)),
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
    }
    Ok(listeners)
}

/// Raises the soft limit of file descriptors to the hard limit. Each connection and each file being sent needs a
/// descriptor; the usual soft limit of 1024 is meant for programs that use `select`.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};

        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // If the system refuses, the limit stays as it was, and the server serves fewer connections.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_http_dates_cannot_express_is_refused() {
        let (epoch, second) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        check_clock(epoch).unwrap();
        for strange in [epoch - second, epoch + Duration::from_hours(70_389_528)] {
            let refusal = check_clock(strange).unwrap_err().to_string();
            assert!(refusal.contains("clock") && refusal.contains("1970"), "{refusal}");
        }
    }
}
