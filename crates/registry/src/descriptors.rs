//! What is done where the process has as many files open as it may.

use hythe_storage::Result;

use crate::{Inner, Registry};

impl Registry {
    /// Closes files that are only kept open to be quicker, because others need their descriptors; how many sessions that were.
    pub fn close_idle(&self) -> usize {
        self.0.parked.close()
    }
}

impl Inner {
    /// Does what opens a file; where that fails for want of a descriptor, once more without the sessions that are kept open.
    pub(crate) async fn opening<T, W: Future<Output = Result<T>>>(&self, work: impl Fn() -> W) -> Result<T> {
        match work().await {
            Err(error) if error.is_out_of_files() && self.parked.close() > 0 => work().await,
            other => other,
        }
    }
}
