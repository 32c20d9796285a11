//! The results of reading files: names of images, skipped values, and parts that could not be read.

use std::fmt;
use std::sync::Arc;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct FileLine {
    /// The file, as the user or another file names it; `-` is stdin.
    pub(in super::super) file: Arc<str>,
    /// The line, from 1.
    pub(in super::super) line: usize,
}

impl fmt::Display for FileLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Found {
    /// The name as written, with its variables replaced.
    pub(in super::super) text: String,
    pub(in super::super) place: FileLine,
    /// Why it counts as an image: a key, an argument, an instruction.
    pub(in super::super) rule: &'static str,
}

/// A value that looks like an image but is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Passed {
    pub(in super::super) text: String,
    pub(in super::super) place: FileLine,
    pub(in super::super) reason: String,
    /// Whether skipping may miss an image, as with a template.
    pub(in super::super) open: bool,
}

/// A part of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Unread {
    /// The image as written, if it only lacks the value of a variable.
    pub(in super::super) text: Option<String>,
    pub(in super::super) place: FileLine,
    pub(in super::super) reason: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(in super::super) struct Reading {
    pub(in super::super) found: Vec<Found>,
    pub(in super::super) passed: Vec<Passed>,
    pub(in super::super) unread: Vec<Unread>,
    /// Documents of kinds that may have no image.
    pub(in super::super) understood: usize,
    /// Documents of any kind.
    pub(in super::super) documents: usize,
}

impl Reading {
    pub(super) fn pass(&mut self, text: &str, place: FileLine, reason: impl Into<String>, open: bool) {
        self.passed.push(Passed { text: text.to_owned(), place, reason: reason.into(), open });
    }

    pub(super) fn miss(&mut self, place: FileLine, reason: impl Into<String>) {
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
