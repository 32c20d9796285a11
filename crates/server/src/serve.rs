//! Accepts connections, serves them, and stops the server in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hythe_lifecycle::retention::Retainer;
use hythe_lifecycle::{Collector, Evicted, Evictor, Verifier, repeat};
use hythe_registry::{Registry, most_open_files};
use hythe_upstream::Cache;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::backups::Backups;
use crate::call::App;
use crate::handlers::retention;
use crate::listener::Listener;
use crate::log::Log;
use crate::manifest_room::ManifestRoom;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::peer::{Door, Peer};
use crate::plane::PlaneCounters;
use crate::seldom::Seldom;
use crate::serving::{Serving, Warned};
use crate::tls::Tls;
use crate::workers::Workers;

/// The most answers with all records of the catalog at the same time.
const EXPORTS: usize = 2;

/// The time from the start to the first round of garbage collection, so that the round does not slow the start.
const FIRST_COLLECT: Duration = Duration::from_secs(30);

/// The time from the start to the first background verification: a process that soon ends again reads nothing for it.
const FIRST_SCRUB: Duration = Duration::from_hours(1);

/// The time from the start to the first run of retention.
const FIRST_RETAIN: Duration = Duration::from_mins(5);

/// How often the server looks whether a backup is due, and the time from the start to the first look.
const LOOK_FOR_BACKUP: Duration = Duration::from_secs(10);

/// The longest wait at the stop until uploads whose connections were cut are saved.
const SAVE: Duration = Duration::from_secs(10);

/// The pause after a failed accept, such as for want of file descriptors.
const NO_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Open files per connection: its socket, and two files of a push.
const FILES: usize = 3;

/// Open files beside those of connections: of the catalog, of the worker threads, and of connections to upstreams.
const OTHER_FILES: usize = 64;

/// A server: its listeners and connections, and the registry behind them.
#[derive(Clone)]
pub struct Server {
    app: Arc<App>,
    options: Arc<ArcSwap<ServerOptions>>,
    connections: Arc<Semaphore>,
    counters: Arc<PlaneCounters>,
    warned: Arc<Warned>,
}

/// The most connections at once: the configured number, or fewer if the process may not open enough files.
fn most_connections(options: &ServerOptions) -> usize {
    let files = most_open_files().saturating_sub(OTHER_FILES) / FILES;
    options.max_connections.min(files).clamp(1, Semaphore::MAX_PERMITS)
}

fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;

    [Errno::MFILE, Errno::NFILE].iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

impl Server {
    /// A server for `registry` and for the copies that `cache` keeps in it. It logs requests to `log`.
    pub fn new(registry: Registry, cache: Cache, options: ServerOptions, log: Log) -> Self {
        let counters = Arc::new(PlaneCounters::default());
        let metrics = Arc::new(Metrics::new(Arc::clone(&counters), cache.clone()));
        let manifest_room = ManifestRoom::new(registry.options().manifest_max_size);
        Self {
            app: Arc::new(App {
                collector: Collector::new(registry.clone()),
                verifier: Verifier::new(registry.clone()),
                retainer: Retainer::new(registry.clone()),
                evictor: Evictor::new(registry.clone()),
                registry,
                cache,
                metrics,
                log,
                manifest_room,
                exports: Arc::new(Semaphore::new(EXPORTS)),
            }),
            connections: Arc::new(Semaphore::new(most_connections(&options))),
            options: Arc::new(ArcSwap::from_pointee(options)),
            counters,
            warned: Arc::default(),
        }
    }

    /// What the connections of this server have received and sent.
    pub fn counters(&self) -> &PlaneCounters {
        &self.counters
    }

    /// Replaces the settings; requests that have begun keep the old ones.
    pub fn set_options(&self, options: ServerOptions) {
        self.options.store(Arc::new(options));
    }

    /// Serves `listeners`, and those that arrive through `later`, until `stop` resolves. Then drains: accepts no new
    /// connection, closes idle ones, and lets requests finish for the drain time. Then cuts the remaining connections;
    /// their uploads save what they have received. Fails only if the system does not start the worker threads.
    pub async fn run(
        &self,
        listeners: Vec<Listener>,
        mut later: mpsc::Receiver<TcpListener>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let workers = Arc::new(Workers::start()?);
        let mut watched: Vec<Arc<Tls>> =
            listeners.iter().filter_map(|listener| listener.tls.clone()).collect();
        watched.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let mut watching = JoinSet::new();
        for tls in watched {
            let app = Arc::clone(&self.app);
            watching.spawn(tls.watch(move |expires| app.metrics.certificate_expires(expires)));
        }
        let (stopping, stopped) = watch::channel(false);
        let accept = |listener| self.clone().accept_all(listener, Arc::clone(&workers), stopped.clone());
        let mut accepting: JoinSet<()> = listeners.into_iter().map(accept).collect();
        let server = self.clone();
        let interval = move || server.options.load().collect_interval;
        let app = Arc::clone(&self.app);
        let collecting = tokio::spawn(repeat(FIRST_COLLECT, interval, async move || collect(&app).await));
        let app = Arc::clone(&self.app);
        let evicting = tokio::spawn(async move {
            let mut was_full = false;
            app.evictor.run(|round| evicted(&app, round, &mut was_full)).await;
        });
        let (server, app) = (self.clone(), Arc::clone(&self.app));
        let scrubbing = tokio::spawn(async move {
            tokio::time::sleep(FIRST_SCRUB).await;
            let pace = || server.options.load().scrub;
            app.verifier.scrub(pace, |slice| app.metrics.verified(slice)).await;
        });
        let server = self.clone();
        let interval = move || server.options.load().retention.interval;
        let (app, options) = (Arc::clone(&self.app), Arc::clone(&self.options));
        let retain = async move || retain(&app, &options).await;
        let retaining = tokio::spawn(repeat(FIRST_RETAIN, interval, retain));
        let (server, mut backups) = (self.clone(), Backups::default());
        let look = move || {
            let options = server.options.load();
            options.backup.as_ref().map_or(LOOK_FOR_BACKUP, |backup| backup.interval.min(LOOK_FOR_BACKUP))
        };
        let (app, options) = (Arc::clone(&self.app), Arc::clone(&self.options));
        let back_up = async move || backups.look(&app, options.load_full().backup.as_ref()).await;
        let backing_up = tokio::spawn(repeat(LOOK_FOR_BACKUP, look, back_up));
        let registry = self.app.registry.clone();
        let journaling = tokio::spawn(async move { registry.keep_journal().await });
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(listener) = later.recv() => drop(accepting.spawn(accept(listener.into()))),
            }
        }
        collecting.abort();
        evicting.abort();
        scrubbing.abort();
        retaining.abort();
        backing_up.abort();
        journaling.abort();
        drop(watching);
        stopping.send_replace(true);
        drop(stopped);
        let deadline = self.options.load().drain_timeout;
        if tokio::time::timeout(deadline, stopping.closed()).await.is_err() {
            tracing::warn!(
                seconds = deadline.as_secs(),
                "requests did not finish within the drain time (http.drain-timeout) and were cut off"
            );
        }
        accepting.shutdown().await;
        self.app.cache.stop();
        // The uploads whose connections were cut still have to save what they received.
        if tokio::time::timeout(SAVE, self.app.registry.uploads_ended()).await.is_err() {
            tracing::warn!("an upload was not saved in time; it can be resumed from where it was last saved");
        }
        Ok(())
    }

    async fn accept_all(self, listener: Listener, workers: Arc<Workers>, mut stopped: watch::Receiver<bool>) {
        let Listener { socket: listener, mirror, tls } = listener;
        let loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let door = Door { loopback, mirror };
        // Dropping the set ends its remaining connections.
        let mut connections = JoinSet::new();
        let warned = Seldom::default();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = stopped.changed() => break,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, client, permit)) => {
                    let Some(slot) = workers.slot() else { break };
                    let handle = slot.handle.clone();
                    let (serving, door, tls) = (self.serving(stopped.clone()), door.clone(), tls.clone());
                    connections.spawn_on(
                        async move {
                            match TcpStream::from_std(stream) {
                                Ok(stream) => {
                                    let peer = Peer::new(client, &stream, door);
                                    serving.serve(stream, peer, tls.as_deref()).await;
                                }
                                Err(error) => {
                                    tracing::warn!(%error, "could not watch a connection for events; closed it");
                                }
                            }
                            drop((slot, permit));
                        },
                        &handle,
                    );
                }
                Err(error) => {
                    // Either the client has gone, or file descriptors have run out. Neither ends the server.
                    let closed = if is_out_of_files(&error) { self.app.registry.close_idle() } else { 0 };
                    if warned.is_due() {
                        tracing::warn!(%error, closed, "could not accept a connection; trying again");
                    }
                    tokio::time::sleep(NO_DESCRIPTORS).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// What a new connection needs of this server.
    fn serving(&self, stopped: watch::Receiver<bool>) -> Serving {
        Serving {
            app: Arc::clone(&self.app),
            options: Arc::clone(&self.options),
            counters: Arc::clone(&self.counters),
            warned: Arc::clone(&self.warned),
            stopped,
        }
    }

    /// Accepts a connection, and waits for a permit to serve it. Meanwhile further connections wait in the kernel's
    /// queue. The permit is taken after the accept, so that a listener without connections holds none.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(std::net::TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let (stream, client) = listener.accept().await?;
        let permit = Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
        // Detaches the socket from this event loop: the connection's worker has its own loop.
        Ok((stream.into_std()?, client, permit))
    }
}

/// A scheduled run of retention.
async fn retain(app: &App, options: &ArcSwap<ServerOptions>) {
    let options = options.load_full();
    retention::run_scheduled(app, &options.retention).await;
}

/// Counts and logs a round of eviction.
fn evicted(app: &App, round: &Evicted, was_full: &mut bool) {
    app.metrics.evicted(round);
    if round.images > 0 {
        tracing::info!(
            images = round.images,
            bytes = round.bytes,
            "removed cached images to keep to the disk budget"
        );
    }
    match (round.is_full, std::mem::replace(was_full, round.is_full)) {
        (true, false) => tracing::warn!(
            "the disk budget is used up and no cached content is left to remove: pushes are refused with 507. Delete images and \
             run `hythe gc --grace 0s`; `hythe du` shows what takes space"
        ),
        (false, true) => tracing::info!("there is room again: pushes are accepted"),
        _ => {}
    }
}

/// A scheduled round of garbage collection.
async fn collect(app: &App) {
    match app.collector.collect().await {
        Ok(round) => {
            app.metrics.collected(round);
            if round.blobs + round.uploads > 0 {
                tracing::info!(
                    blobs = round.blobs,
                    bytes = round.bytes,
                    uploads = round.uploads,
                    "garbage collection removed unreferenced blobs"
                );
            }
        }
        Err(error) => {
            tracing::warn!(%error, "garbage collection failed; the next round tries again");
        }
    }
}
