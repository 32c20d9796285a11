//! Where a TOML file is not TOML.

use std::fmt;
use std::ops::Range;

/// Why a text is not TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotToml {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl NotToml {
    pub(crate) fn new(text: &str, error: &toml_edit::TomlError) -> Self {
        Self { line: line(text, error.span().as_ref()), message: error.message().replace('\n', ", ") }
    }
}

/// The line of a place, from 1.
pub(crate) fn line(text: &str, span: Option<&Range<usize>>) -> usize {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
    before.matches('\n').count() + 1
}

impl std::error::Error for NotToml {}

impl fmt::Display for NotToml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is not TOML: {}", self.line, self.message)
    }
}
