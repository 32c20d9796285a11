//! What was found in files: names of images, values that are none, and parts that could not be read.

use std::fmt;
use std::sync::Arc;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Place {
    /// The file as it was named; `-` is the standard input.
    pub(in super::super) file: Arc<str>,
    /// The line, from 1.
    pub(in super::super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Found {
    /// As it is written, its variables replaced.
    pub(in super::super) text: String,
    pub(in super::super) place: Place,
    /// What says that it is an image: a key, an argument, an instruction.
    pub(in super::super) rule: &'static str,
}

/// A value that looks like an image at first and that is not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Passed {
    pub(in super::super) text: String,
    pub(in super::super) place: Place,
    pub(in super::super) reason: String,
    /// Whether an image may be missed for it, as for a template.
    pub(in super::super) open: bool,
}

/// A part of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Unread {
    /// The image as it is written, where one variable of it is all that is missing.
    pub(in super::super) text: Option<String>,
    pub(in super::super) place: Place,
    pub(in super::super) reason: String,
}

/// All that was found.
#[derive(Debug, Default)]
pub(in super::super) struct Reading {
    pub(in super::super) found: Vec<Found>,
    pub(in super::super) passed: Vec<Passed>,
    pub(in super::super) unread: Vec<Unread>,
    /// Documents that are of a kind that may well name no image.
    pub(in super::super) understood: usize,
    /// Documents of any kind.
    pub(in super::super) documents: usize,
}

impl Reading {
    pub(super) fn pass(&mut self, text: &str, place: Place, reason: impl Into<String>, open: bool) {
        self.passed.push(Passed { text: text.to_owned(), place, reason: reason.into(), open });
    }

    pub(super) fn miss(&mut self, place: Place, reason: impl Into<String>) {
        self.unread.push(Unread { text: None, place, reason: reason.into() });
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.found.append(&mut other.found);
        self.passed.append(&mut other.passed);
        self.unread.append(&mut other.unread);
        self.understood += other.understood;
        self.documents += other.documents;
    }
}
