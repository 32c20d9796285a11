//! Concurrent clients that push or pull, and the time that they take together.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::error::{Error, Result};
use crate::server::Server;

/// The bytes that clients moved, the time, and the server's CPU time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    bytes: u64,
    elapsed: Duration,
    cpu: Duration,
}

impl Transfer {
    /// Runs `work` on `clients` connections at once. `work` gets the client's number and returns the number of bytes
    /// moved.
    pub(crate) fn run(
        server: &Server,
        clients: usize,
        work: impl Fn(usize, &mut Client) -> Result<u64> + Sync,
    ) -> Result<Self> {
        Self::of(Some(server), server.port, clients, work)
    }

    /// Like [`run`](Self::run), for the server on `port`. Without `server`, it measures no CPU.
    pub(crate) fn of(
        server: Option<&Server>,
        port: u16,
        clients: usize,
        work: impl Fn(usize, &mut Client) -> Result<u64> + Sync,
    ) -> Result<Self> {
        let cpu = || server.map_or(Duration::ZERO, |server| server.tree().cpu());
        let (ready, go) = (Barrier::new(clients + 1), Barrier::new(clients + 1));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|number| {
                    let (ready, go, work) = (&ready, &go, &work);
                    scope.spawn(move || {
                        let client = Client::connect(port);
                        ready.wait();
                        go.wait();
                        work(number, &mut client?)
                    })
                })
                .collect();
            ready.wait();
            let used = cpu();
            go.wait();
            let began = Instant::now();
            let moved: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            let elapsed = began.elapsed();
            let cpu = cpu().saturating_sub(used);
            let mut bytes = 0;
            for one in moved {
                bytes += one.map_err(|_| Error::Setup("a client's thread panicked".to_owned()))??;
            }
            Ok(Self { bytes, elapsed, cpu })
        })
    }

    /// Duration of the transfer, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    /// Throughput in GB/s (10⁹ bytes a second).
    pub(crate) fn throughput(&self) -> f64 {
        self.bytes as f64 / 1e9 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU seconds per GiB.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes as f64 / f64::from(1 << 30))
    }
}
