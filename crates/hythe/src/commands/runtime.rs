//! The event loop of a command.

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// The work for which a command needs threads beside its event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The command waits for connections. Other threads do little, such as looking up a name, so their number has
    /// tokio's own limit.
    Network,
    /// The command runs the registry in this process: other threads wait for disks and hash.
    Registry,
}

/// Threads on which garbage collection and the start wait for disks. A machine with more cores gets one per core
/// instead, because an import hashes on all of them.
const REGISTRY_THREADS: usize = 4;

/// The event loop of a command. It has one thread: a command waits for answers and computes little. The server serves
/// connections on threads of its own.
pub(super) fn runtime(work: Work) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    if work == Work::Registry {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        builder.max_blocking_threads(REGISTRY_THREADS.max(cores));
    }
    builder.build().map_err(Failure::thread("the command's event loop"))
}

/// Runs work that waits for connections.
pub(super) fn run(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime(Work::Network)?.block_on(work)
}
