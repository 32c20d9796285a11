//! Positions in a text, and errors at them.

use saphyr_parser::Marker;

/// A position in a text, counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of characters before the position.
    pub index: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl From<Marker> for Position {
    fn from(marker: Marker) -> Self {
        // At the end of an empty text the parser counts lines from 0.
        Self { index: marker.index(), line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// Why a text cannot be read as YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}, column {}: {reason}", .position.line, .position.column)]
pub struct YamlError {
    /// The position of the fault.
    pub position: Position,
    /// What is wrong there.
    pub reason: String,
}
