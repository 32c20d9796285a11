//! What stops a bench.

use std::io;

/// A failure; one error type is enough for a program whose only answer is to say it and stop.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, and on what.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A contender answered, but not as the protocol asks.
    #[error("{request}: expected {expected}, got {got}")]
    Answer {
        /// Method and path.
        request: String,
        /// The status or form that was expected.
        expected: String,
        /// What came.
        got: String,
    },
    /// This machine or these arguments cannot run the bench.
    #[error("{0}")]
    Setup(String),
}

/// The bench's result.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Says what was tried when the system refuses.
pub(crate) trait Context<T> {
    /// Names the attempt; the closure runs only on failure.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
