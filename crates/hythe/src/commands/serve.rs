//! `hythe serve`: starts the registry.

mod announcement;
pub(super) mod logging;
mod taken;
pub(super) mod takeover;
#[cfg(target_os = "linux")]
mod user;
mod wiring;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hythe_catalog::{Catalog, Expect};
use hythe_registry::Registry;
use hythe_server::{Listener, Log, LogGuard, Mirror, Server};
use hythe_storage::{FsStorage, MemoryStorage, check_data_folder};
use hythe_upstream::Cache;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use announcement::announce;
pub(super) use taken::Taken;
#[cfg(target_os = "linux")]
pub(super) use user::{FOLDERS, MARK, give, is_own_file};

use crate::config::{ConfigError, Environment, Inputs, Loaded, Reloaded, allowed, load, reload, table_name};
use crate::failure::{Failure, StartError};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::values::{Listen, Storage};

/// The collector and the start wait for disks on other threads; so many at most, or as many as there are cores: an import
/// hashes on all of them.
const BLOCKING_THREADS: usize = 4;

/// Reads the configuration and runs the server until it is asked to stop.
pub(super) fn serve(inputs: Inputs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let reader = Reader::new(inputs, environment, printer);
    let loaded = reader.read()?;
    #[cfg(target_os = "linux")]
    if environment.root && reader.inputs.in_place && leave_root(&loaded, printer)? {
        return Ok(());
    }
    printer.warnings(&loaded.warnings);
    runtime()?.block_on(run(loaded.settings, reader, printer))
}

/// It accepts, collects, imports and listens to signals; connections have threads of their own in the server.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS.max(cores))
        .build()
        .map_err(|error| Failure::Other(format!("the system gives no threads to run on: {error}")))
}

/// Does what only root can, and goes on as an ordinary user, whose process begins anew. Returns where that is not to be or
/// cannot be, with true where the process was asked to stop meanwhile.
#[cfg(target_os = "linux")]
fn leave_root(loaded: &Loaded, printer: Printer) -> Result<bool, Failure> {
    let settings = &loaded.settings;
    if settings.stay_root {
        printer.note("stays root, as it was told to");
        return Ok(false);
    }
    let data = (settings.storage == Storage::Fs).then_some(settings.data.as_path());
    // Before the folder is given to that user.
    data.map_or(Ok(()), check_data_folder).map_err(StartError::from)?;
    if let Err(why) = user::try_on(data, loaded.file.as_deref()) {
        printer.note(format_args!("warning: stays root: {why}"));
        return Ok(false);
    }
    if let Some(data) = data {
        if !runtime()?.block_on(prepare(settings))? {
            return Ok(true);
        }
        user::give(data, (user::USER, user::USER))
            .map_err(|error| StartError::User { user: user::USER, error })?;
    }
    printer.note(format_args!("goes on as user {0}, group {0}", user::USER));
    Err(StartError::User { user: user::USER, error: user::begin_anew() }.into())
}

/// Opens the data folder once, and takes over what another registry left there: to link another user's files is root's.
/// False where it was asked to stop meanwhile.
#[cfg(target_os = "linux")]
async fn prepare(settings: &Settings) -> Result<bool, Failure> {
    let (log, _guard) = Log::start(std::io::stderr())
        .map_err(|error| Failure::Other(format!("the log's thread cannot be started: {error}")))?;
    logging::start(&settings.log, &log);
    let registry = open(settings)?;
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

/// HTTP's `Date` has no form for times before 1970 and after 9999.
fn check_clock(now: SystemTime) -> Result<(), StartError> {
    let year_10000 = Duration::from_hours(70_389_528);
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(age) if age < year_10000 => Ok(()),
        _ => Err(StartError::Clock),
    }
}

/// A server that is about to serve.
pub(super) struct Started {
    server: Server,
    registry: Registry,
    listeners: Vec<Listener>,
    reloading: JoinHandle<()>,
    log: LogGuard,
}

/// Binds the listeners, opens the data folder, and announces both. None where it was asked to stop meanwhile.
pub(super) async fn start(
    settings: Settings,
    reader: Reader,
    printer: Printer,
) -> Result<Option<Started>, Failure> {
    check_clock(SystemTime::now())?;
    // Before anybody is told that the server is there, who might send one at once.
    let hangups = Hangups::listen();
    raise_descriptor_limit();
    let (log, log_guard) = Log::start(std::io::stderr())
        .map_err(|error| Failure::Other(format!("the log's thread cannot be started: {error}")))?;
    let levels = logging::start(&settings.log, &log);
    let upstreams = allowed(&settings);
    let listeners = bind(wiring::listeners(&settings, &upstreams)).await?;
    let registry = open(&settings)?;
    registry.recover().await.map_err(|error| StartError::Recover { folder: settings.data.clone(), error })?;
    if !takeover::take_over(&settings, &registry, &upstreams).await? {
        registry.close();
        return Ok(None);
    }
    announce(printer, &settings, &upstreams, &listeners);
    let cache = Cache::new(registry.clone(), upstreams, wiring::cache_options(&settings));
    let server = Server::new(registry.clone(), cache.clone(), wiring::server_options(&settings), log);
    let running = Running { server: server.clone(), registry: registry.clone(), cache, levels };
    let reloading = tokio::spawn(reload_on_hangup(settings, Arc::new(reader), running, hangups));
    Ok(Some(Started { server, registry, listeners, reloading, log: log_guard }))
}

impl Started {
    /// Serves until it is asked to stop, also on what it is handed `later`.
    pub(super) async fn serve(self, later: mpsc::Receiver<TcpListener>) -> Result<(), Failure> {
        let outcome = self.server.run(self.listeners, later, asked_to_stop()).await;
        self.reloading.abort();
        self.registry.close();
        drop(self.log);
        outcome.map_err(|error| Failure::Other(format!("the system gives no threads to serve on: {error}")))
    }
}

/// Each address, bound; the first that cannot be is the error.
async fn bind(addresses: Vec<(Listen, Option<Mirror>)>) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for (listen, mirror) in addresses {
        let mut refused = None;
        // What `listen` names answers for all, whatever is behind it.
        let upstream =
            mirror.as_ref().filter(|mirror| !mirror.local_first).map(|mirror| mirror.upstream.clone());
        for address in listen.candidates() {
            match TcpListener::bind(address).await {
                Ok(socket) => {
                    refused = None;
                    listeners.push(Listener { socket, mirror: mirror.clone() });
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

/// The registry that the settings describe.
pub(super) fn open(settings: &Settings) -> Result<Registry, StartError> {
    let (storage, catalog): (Arc<dyn hythe_storage::Storage>, Catalog) = match settings.storage {
        Storage::Memory => (Arc::new(MemoryStorage::default()), Catalog::in_memory()?),
        Storage::Fs => {
            // The folder first: it is locked then, so that the catalog has one owner.
            let storage = FsStorage::open(&settings.data)?.with_direct(settings.upload.direct);
            let catalog = open_catalog(&settings.data, &storage)?;
            (Arc::new(storage), catalog)
        }
    };
    Ok(Registry::new(storage, catalog, wiring::registry_options(settings)))
}

/// The catalog of the blobs that are there. Either without the other is refused: the registry would be empty, or its
/// images without bytes, and look as if it were well.
fn open_catalog(data: &Path, storage: &FsStorage) -> Result<Catalog, StartError> {
    let failed =
        |error: hythe_storage::Error| StartError::Recover { folder: data.to_owned(), error: error.into() };
    let path = data.join("catalog.sqlite");
    let has_blobs = storage.has_blobs().map_err(failed)?;
    let expect = if has_blobs { Expect::Catalog } else { Expect::Anything };
    let catalog = Catalog::open_with(&path, expect, Some(Arc::new(Room(Arc::clone(storage.reserve())))))?;
    let failed =
        |error: hythe_catalog::Error| StartError::Recover { folder: data.to_owned(), error: error.into() };
    if !has_blobs && catalog.has_blobs().map_err(failed)? {
        return Err(StartError::BlobsMissing { catalog: path, blobs: data.join("blobs") });
    }
    Ok(catalog)
}

/// The data folder's reserve, as the catalog uses it.
#[derive(Debug)]
struct Room(Arc<hythe_storage::Reserve>);

impl hythe_catalog::Reserve for Room {
    fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    fn give_up(&self) -> bool {
        self.0.give_up()
    }

    fn take_back(&self) -> bool {
        self.0.take_back()
    }

    fn returned(&self) {
        self.0.returned();
    }
}

/// A connection is a descriptor, and so is each file sent: the system's usual soft limit of 1024 is for programs
/// that use `select`.
fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};

        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // Refused, it stays as it was: then fewer connections are served.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Resolves on SIGTERM and SIGINT. A second one ends the process at once, as an impatient user expects.
async fn asked_to_stop() {
    let stop = || async {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};

            let (Ok(mut term), Ok(mut int)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    stop().await;
    tracing::info!("stopping: requests under way may finish; a second signal ends them");
    tokio::spawn(async move {
        stop().await;
        std::process::exit(1);
    });
}

/// What takes new settings while it runs.
struct Running {
    server: Server,
    registry: Registry,
    cache: Cache,
    levels: logging::Levels,
}

/// The signals that ask for the configuration to be read again, heard from when this is made. Of systems without them
/// none comes.
struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn next(&mut self) -> Option<()> {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals {
            return signals.recv().await;
        }
        None
    }
}

/// Takes what can be taken of a changed configuration at each SIGHUP.
async fn reload_on_hangup(
    mut settings: Settings,
    reader: Arc<Reader>,
    running: Running,
    mut hangups: Hangups,
) {
    while hangups.next().await.is_some() {
        let (reading, before) = (Arc::clone(&reader), settings.clone());
        // A credential helper may take its time, and this thread accepts connections.
        let read = tokio::task::spawn_blocking(move || {
            // What is handed over while it reads comes with a signal of its own.
            let taken = reading.environment.handed_logins_file().and_then(|file| Taken::of(&file));
            let reloaded = reading.read_again(&before)?;
            let upstreams = allowed(&reloaded.settings);
            Some((reloaded, upstreams, taken))
        });
        let Ok(Some((reloaded, upstreams, taken))) = read.await else { continue };
        settings.clone_from(&reloaded.settings);
        running.server.set_options(wiring::server_options(&settings));
        running.registry.set_options(wiring::registry_options(&settings));
        running.cache.set(upstreams, wiring::cache_options(&settings));
        running.levels.set(settings.log.level);
        reader.tell(&reloaded);
        if let Some(taken) = taken
            && let Err(error) = taken.tell()
        {
            reader.printer.note(format_args!("warning: whoever handed logins over is not told: {error}"));
        }
    }
}

/// Reads the configuration, the first time and again (SIGHUP).
pub struct Reader {
    inputs: Inputs,
    environment: Environment,
    printer: Printer,
}

impl Reader {
    /// What reads this.
    pub(super) fn new(inputs: Inputs, environment: &Environment, printer: Printer) -> Self {
        Self { inputs, environment: environment.clone(), printer }
    }

    /// The configuration, with all that is needed to ask the upstreams.
    pub fn read(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = load(&self.inputs, &self.environment)?;
        loaded.log_in(&self.environment)?;
        Ok(loaded)
    }

    /// What to run with from now on. A configuration that cannot be used changes nothing.
    pub fn read_again(&self, running: &Settings) -> Option<Reloaded> {
        match self.read() {
            Ok(loaded) => {
                self.printer.warnings(&loaded.warnings);
                Some(reload(running, &loaded.settings))
            }
            Err(error) => {
                self.printer.failure(&error.into());
                self.printer.note("the configuration was not reloaded; the one before stays in effect");
                None
            }
        }
    }

    /// Says what has changed, once it has.
    pub fn tell(&self, reloaded: &Reloaded) {
        for key in &reloaded.applied {
            let value = key.kind.show(&reloaded.settings);
            self.printer.note(format_args!("reloaded: {} = {value}", key.name));
        }
        for upstream in &reloaded.upstreams {
            self.printer.note(format_args!("reloaded: {}", table_name(upstream)));
        }
        for key in &reloaded.waiting {
            self.printer
                .note(format_args!("warning: `{}` changed, and takes effect at the next start", key.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_no_answer_could_carry_is_refused() {
        let (epoch, second) = (SystemTime::UNIX_EPOCH, Duration::from_secs(1));
        check_clock(epoch).unwrap();
        for strange in [epoch - second, epoch + Duration::from_hours(70_389_528)] {
            let refusal = check_clock(strange).unwrap_err().to_string();
            assert!(refusal.contains("clock") && refusal.contains("1970"), "{refusal}");
        }
    }
}
