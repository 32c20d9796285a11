//! Accepting connections, serving them, and stopping in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hythe_registry::{Registry, most_open_files};
use hythe_upstream::Cache;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::call::App;
use crate::dispatch::answer;
use crate::listener::{Listener, Mirror};
use crate::log::Log;
use crate::manifest_room::ManifestRoom;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plane::{Connection, Link, Patience};
use crate::workers::Workers;

/// A first round of the collector waits so long, so that a start is not slowed by it.
const FIRST_COLLECT: Duration = Duration::from_secs(30);

/// How long uploads that were cut may take to save what they have.
const SAVE: Duration = Duration::from_secs(10);

/// How long to wait when the process is out of file descriptors.
const NO_DESCRIPTORS: Duration = Duration::from_millis(50);

/// How often to say so meanwhile.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What a connection may take of the files that the process may have open: its socket, and two files of what it pushes.
const FILES: usize = 3;

/// Files that are not connections': the catalog's, those of the threads that serve, of upstreams' connections.
const OTHER_FILES: usize = 64;

/// The most that one read of a connection takes: each costs a wake-up or two. A connection begins with 8 KiB and comes
/// to this only where the client keeps it full.
const READ: usize = 256 << 10;

/// One server: listeners, connections, and the registry behind them.
#[derive(Clone)]
pub struct Server {
    app: Arc<App>,
    options: Arc<ArcSwap<Options>>,
    connections: Arc<Semaphore>,
}

/// How many connections are served at once: no more than there can be files for.
fn most_connections(options: &Options) -> usize {
    let files = most_open_files().saturating_sub(OTHER_FILES) / FILES;
    options.max_connections.min(files).clamp(1, Semaphore::MAX_PERMITS)
}

fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;

    [Errno::MFILE, Errno::NFILE].iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

impl Server {
    /// A server for `registry`, and for what `cache` keeps in it, that logs requests to `log`.
    pub fn new(registry: Registry, cache: Cache, options: Options, log: Log) -> Self {
        let metrics = Arc::new(Metrics::new(cache.clone()));
        let manifest_room = ManifestRoom::new(registry.options().manifest_max_size);
        Self {
            app: Arc::new(App { registry, cache, metrics, log, manifest_room }),
            connections: Arc::new(Semaphore::new(most_connections(&options))),
            options: Arc::new(ArcSwap::from_pointee(options)),
        }
    }

    /// Takes other settings; requests that have begun keep theirs.
    pub fn set_options(&self, options: Options) {
        self.options.store(Arc::new(options));
    }

    /// Serves `listeners`, and those that come `later`, until `stop` resolves, then drains: no new connection is taken,
    /// idle ones close, requests under way may finish for the drain time. Then what is left is cut; uploads save what
    /// they have. The error is the system's, where it gives no threads to serve on.
    pub async fn run(
        &self,
        listeners: Vec<Listener>,
        mut later: mpsc::Receiver<TcpListener>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let workers = Arc::new(Workers::start()?);
        let (stopping, stopped) = watch::channel(false);
        let accept = |listener| self.clone().accept_all(listener, Arc::clone(&workers), stopped.clone());
        let mut accepting: JoinSet<()> = listeners.into_iter().map(accept).collect();
        let collector = tokio::spawn(self.clone().collect_now_and_then());
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(listener) = later.recv() => drop(accepting.spawn(accept(listener.into()))),
            }
        }
        collector.abort();
        stopping.send_replace(true);
        drop(stopped);
        let deadline = self.options.load().drain_timeout;
        if tokio::time::timeout(deadline, stopping.closed()).await.is_err() {
            tracing::warn!(
                seconds = deadline.as_secs(),
                "requests were still under way after the drain time; cut"
            );
        }
        accepting.shutdown().await;
        self.app.cache.stop();
        // The bodies that were cut with their connections still have to be saved.
        if tokio::time::timeout(SAVE, self.app.registry.uploads_ended()).await.is_err() {
            tracing::warn!(
                "an upload could not be saved in time; it continues from where it was saved before"
            );
        }
        Ok(())
    }

    async fn accept_all(self, listener: Listener, workers: Arc<Workers>, mut stopped: watch::Receiver<bool>) {
        let Listener { socket: listener, mirror } = listener;
        let loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        // Dropping the set ends what is left of its connections.
        let mut connections = JoinSet::new();
        // When it was last said that none can be accepted.
        let mut told: Option<Instant> = None;
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                _ = stopped.changed() => break,
                accepted = self.accept(&listener) => accepted,
            };
            match accepted {
                Ok((stream, client, permit)) => {
                    let Some(place) = workers.place() else { break };
                    let handle = place.handle.clone();
                    let link = (loopback, mirror.clone());
                    let serving = self.clone().serve(stream, client, link, permit, stopped.clone());
                    connections.spawn_on(
                        async move {
                            serving.await;
                            drop(place);
                        },
                        &handle,
                    );
                }
                Err(error) => {
                    // The connection is gone, or descriptors are: neither ends a server.
                    let closed = if is_out_of_files(&error) { self.app.registry.close_idle() } else { 0 };
                    if told.is_none_or(|told| told.elapsed() > TELL_AGAIN) {
                        tracing::warn!(%error, closed, "a connection could not be accepted; it is tried again");
                        told = Some(Instant::now());
                    }
                    tokio::time::sleep(NO_DESCRIPTORS).await;
                }
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    /// A connection, and a place for it; behind one that waits for its own, others wait in the kernel's queue. A listener to
    /// which nobody comes holds none.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(std::net::TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let (stream, client) = listener.accept().await?;
        let permit = Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
        // Out of this loop's hands: the connection's worker has its own.
        Ok((stream.into_std()?, client, permit))
    }

    async fn serve(
        self,
        stream: std::net::TcpStream,
        client: SocketAddr,
        (loopback, mirror): (bool, Option<Mirror>),
        _permit: OwnedSemaphorePermit,
        mut stopped: watch::Receiver<bool>,
    ) {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "a connection could not be watched"),
        };
        // Small answers must not wait for an acknowledgement; a socket that refuses is only slower.
        let _ = stream.set_nodelay(true);
        let options = self.options.load_full();
        let sendfile = options.sendfile && cfg!(target_os = "linux");
        // A socket that does not tell is taken for the network's.
        let near = stream.local_addr().is_ok_and(|local| local.ip().to_canonical().is_loopback());
        let link = Arc::new(Link::new(client, loopback, near, mirror, sendfile));
        let patience = Patience {
            head: options.header_timeout,
            idle: options.idle_timeout,
            progress: options.progress_timeout,
        };
        let connection = Connection::new(stream, Arc::clone(&link), patience);
        let gauge = self.app.metrics.connections.clone();
        gauge.inc();
        let service = service_fn(|request| {
            answer(Arc::clone(&self.app), self.options.load_full(), Arc::clone(&link), request)
        });
        let serving = http1::Builder::new()
            // Vectored writes keep body chunks apart from the head, which the data plane depends on.
            .writev(true)
            .max_buf_size(READ)
            // While it is not whole. One that is a little too large gets an answer that says so.
            .max_header_size(2 * options.max_header_size)
            .serve_connection(TokioIo::new(connection), service);
        tokio::pin!(serving);
        let result = tokio::select! {
            result = &mut serving => result,
            _ = stopped.changed() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        gauge.dec();
        if let Err(error) = result {
            tracing::debug!(%client, %error, "a connection ended early");
        }
    }

    async fn collect_now_and_then(self) {
        let mut wait = FIRST_COLLECT.min(self.options.load().collect_interval);
        loop {
            tokio::time::sleep(wait).await;
            match self.app.registry.collect().await {
                Ok(round) => {
                    self.app.metrics.collected(round);
                    if round.blobs + round.uploads > 0 {
                        tracing::info!(
                            blobs = round.blobs,
                            bytes = round.bytes,
                            uploads = round.uploads,
                            "collected what nothing used any more"
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a round of the collector failed; the next one tries again");
                }
            }
            wait = self.options.load().collect_interval;
        }
    }
}
