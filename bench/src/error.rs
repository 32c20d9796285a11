//! Errors of the bench.

use std::io;

/// An error. One type is enough, because the program only prints an error and stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// The failed action and its object.
        what: String,
        /// The system's error.
        source: io::Error,
    },
    /// A contender's answer violates the protocol.
    #[error("{request}: expected {expected}, got {got}")]
    Answer {
        /// Method and path.
        request: String,
        /// The status or form that was expected.
        expected: String,
        /// The actual answer.
        got: String,
    },
    /// The bench cannot run on this machine or with these arguments.
    #[error("{0}")]
    Setup(String),
}

/// The bench's result.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Adds the failed action to a system error.
pub(crate) trait Context<T> {
    /// Names the action. The closure runs only on failure.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
