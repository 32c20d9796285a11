//! Waiting for a task.

use tokio::task::JoinHandle;

use crate::{Error, Result};

/// The result of a task. A panic of the task continues in the caller.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> Result<T> {
    match task.await {
        Ok(value) => Ok(value),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::Internal("the server is stopping".to_owned())),
    }
}
