//! Frees file descriptors when the process has reached its limit of open files.

use hythe_storage::Result;

use crate::{Inner, Registry};

impl Registry {
    /// Closes the files of idle upload sessions, which are open only to save time, so that other work can use their
    /// descriptors. Returns how many sessions it closed.
    pub fn close_idle(&self) -> usize {
        self.0.parked.close()
    }
}

impl Inner {
    /// Runs work that opens a file. If it fails for lack of a descriptor, closes the idle upload sessions and runs it
    /// again.
    pub(crate) async fn opening<T, W: Future<Output = Result<T>>>(&self, work: impl Fn() -> W) -> Result<T> {
        match work().await {
            Err(error) if error.is_out_of_files() && self.parked.close() > 0 => work().await,
            other => other,
        }
    }
}
