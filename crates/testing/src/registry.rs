//! A whole registry behind a real socket, for one test.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use hythe_catalog::{Catalog, Totals};
use hythe_registry::Registry;
use hythe_server::{Listener, Log, Server, Tls};
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{FsStorage, MemoryStorage, ObjectStorage};
use hythe_upstream::Cache;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::clock::TestClock;
use crate::{Client, LogLines, Setup, Storage};

/// A registry on a free port of 127.0.0.1. It stops when dropped.
#[derive(Debug)]
pub struct TestRegistry {
    setup: Setup,
    folder: TempDir,
    running: Option<Running>,
    log: LogLines,
    clock: TestClock,
}

/// A running registry. It has its own thread and runtime, so that a test can start and drop it anywhere, also in async
/// code.
struct Running {
    address: SocketAddr,
    server: Server,
    registry: Registry,
    cache: Cache,
    runtime: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

fn open(setup: &Setup, folder: &Path, clock: TestClock) -> Registry {
    let in_memory = || Catalog::in_memory().expect("a catalog in memory opens");
    let (storage, catalog): (Arc<dyn hythe_storage::Storage>, Catalog) = match setup.storage {
        Storage::Memory => (Arc::new(MemoryStorage::default()), in_memory()),
        Storage::Objects => (Arc::new(ObjectStorage::new(Arc::<MemoryBucket>::default())), in_memory()),
        Storage::Fs => (
            Arc::new(FsStorage::open(folder).expect("the storage opens in a temporary folder")),
            Catalog::open(&folder.join("catalog.sqlite")).expect("the catalog opens in a temporary folder"),
        ),
    };
    Registry::with_clock(storage, catalog, setup.registry.clone(), Arc::new(clock))
}

impl Running {
    fn start(setup: Setup, folder: PathBuf, lines: LogLines, clock: TestClock) -> Self {
        let (started, wait) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let runtime = runtime.expect("the system gives threads");
            runtime.block_on(async move {
                let listener = TcpListener::bind((setup.listen, 0)).await.expect("a port is free");
                let address = listener.local_addr().expect("a bound listener has an address");
                let registry = open(&setup, &folder, clock);
                registry.recover().await.expect("what a run before left is cleaned");
                let cache = Cache::new(registry.clone(), setup.allowed, setup.cache);
                let (log, _guard) = Log::start(lines).expect("the system gives a thread");
                let server = Server::new(registry.clone(), cache.clone(), setup.server, log);
                let handles = (address, server.clone(), registry.clone(), cache, Handle::current());
                started.send(handles).expect("the test waits for its registry");
                let tls = setup.tls.map(|options| Arc::new(Tls::load(options).expect("TLS can be set up")));
                let (_, later) = tokio::sync::mpsc::channel(1);
                server
                    .run(vec![Listener { socket: listener, mirror: setup.mirror, tls }], later, async {
                        let _ = stopped.await;
                    })
                    .await
                    .expect("the system gives threads to serve on");
                registry.close();
            });
        });
        let started = wait.recv().expect("the registry starts; its thread's panic says why it did not");
        let (address, server, registry, cache, runtime) = started;
        Self { address, server, registry, cache, runtime, stop, thread }
    }

    /// Stops it gracefully. Another registry can use the folder afterwards.
    fn stop(self) {
        let Self { stop, thread, server, registry, cache, .. } = self;
        let _ = stop.send(());
        let result = thread.join();
        drop((server, registry, cache));
        // A second panic while a test is already failing would hide the first.
        assert!(result.is_ok() || std::thread::panicking(), "the registry's thread panicked");
    }
}

impl Setup {
    /// Starts a registry with these settings.
    pub fn start(self) -> TestRegistry {
        TestRegistry::start_with(self)
    }
}

impl TestRegistry {
    /// Starts a registry with the default settings, in a temporary folder.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// Settings to change before the registry starts.
    pub fn setup() -> Setup {
        Setup::default()
    }

    fn start_with(setup: Setup) -> Self {
        let folder = TempDir::with_prefix("hythe-test-").expect("a temporary folder can be made");
        let (log, clock) = (LogLines::default(), TestClock::default());
        let path = folder.path().to_owned();
        let running = Some(Running::start(setup.clone(), path, log.clone(), clock.clone()));
        Self { setup, folder, running, log, clock }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the registry was stopped by the test itself")
    }

    /// The address where it listens; its loopback address if it listens [everywhere](Setup::everywhere).
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.running().address.port()).into()
    }

    /// A client that connects over the network, for a registry that listens [everywhere](Setup::everywhere); `None` on
    /// a machine that has only loopback addresses.
    pub fn network_client(&self) -> Option<Client> {
        // Sends nothing: the system only chooses the address that it would send from.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        let own = socket.local_addr().ok().filter(|own| !own.ip().is_loopback())?;
        let client = Client::new((own.ip(), self.running().address.port()).into());
        Some(client.logged(self.log.clone()))
    }

    /// A client for it.
    pub fn client(&self) -> Client {
        Client::new(self.address()).logged(self.log.clone())
    }

    /// Its log of requests: only of those that failed with a 5xx status, unless it is set to log all.
    pub fn log(&self) -> &LogLines {
        &self.log
    }

    /// Its data folder; empty if it keeps content in memory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The domain's [`Registry`], for tests of what HTTP does not offer.
    pub fn registry(&self) -> &Registry {
        &self.running().registry
    }

    /// Sets its clock forward, so that content gets older. The clock stays forward over a restart.
    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// How much content it holds.
    pub fn totals(&self) -> Totals {
        self.block_on(self.registry().totals()).expect("the catalog counts its rows")
    }

    /// The HTTP edge, for settings that change while it runs.
    pub fn server(&self) -> &Server {
        &self.running().server
    }

    /// The cache of upstreams, for settings that change while it runs.
    pub fn cache(&self) -> &Cache {
        &self.running().cache
    }

    /// Runs `work` on the registry's runtime, from a test that is not asynchronous itself.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.running().runtime.block_on(work)
    }

    /// Stops it; its folder stays for [`restart`](Self::restart).
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// Stops it if it runs, and starts it again on the same folder, at another port. Content in memory is lost.
    pub fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    /// As [`TestRegistry::restart`], with other settings.
    pub fn restart_with(&mut self, change: impl FnOnce(&mut Setup)) {
        self.stop();
        change(&mut self.setup);
        let (path, log) = (self.folder.path().to_owned(), self.log.clone());
        self.running = Some(Running::start(self.setup.clone(), path, log, self.clock.clone()));
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_keeps_its_folder_over_a_restart() {
        let mut registry = TestRegistry::start();
        let digest = registry.client().push_blob("app", b"content");
        registry.restart();
        let answer = registry.client().get(format!("/v2/app/blobs/{digest}")).send();
        assert_eq!((answer.status, answer.body), (200, b"content".to_vec()));
    }

    #[test]
    fn a_registry_in_memory_answers_and_forgets() {
        let mut registry = TestRegistry::setup().memory().start();
        let digest = registry.client().push_blob("app", b"content");
        registry.restart();
        assert_eq!(registry.client().get(format!("/v2/app/blobs/{digest}")).send().status, 404);
    }

    #[tokio::test]
    async fn a_registry_can_be_started_and_dropped_in_asynchronous_code() {
        assert_eq!(TestRegistry::start().client().get("/v2/").send().status, 200);
    }
}
