//! Inputs that cannot be known.

use std::fmt;

use serde::Serialize;

/// An input whose content only the builder will know. While a build has one, an equal key does not mean equal inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// The line of the Dockerfile that reads it.
    pub line: usize,
    /// The address, or the name of the context.
    pub source: String,
    /// Why it is unknown, and what makes it known.
    pub reason: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.source, self.reason)
    }
}
