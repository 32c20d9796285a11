//! How long a connection waits for its client.

use std::time::Duration;

use crate::options::ServerOptions;

/// How long a connection waits for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The longest time from the first byte of a request's head to its last.
    pub(crate) head: Duration,
    /// The longest time between two requests.
    pub(crate) idle: Duration,
    /// The longest time without progress while a response is sent.
    pub(crate) progress: Duration,
}

impl From<&ServerOptions> for Patience {
    fn from(options: &ServerOptions) -> Self {
        Self { head: options.header_timeout, idle: options.idle_timeout, progress: options.progress_timeout }
    }
}
