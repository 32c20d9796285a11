//! Settings that are one word of a few.

use hythe_storage::Direct;
use hythe_upstream::Share;

use super::ValueError;

/// A setting that is one word of a few.
pub trait Choice: Sized + Copy + PartialEq + 'static {
    /// Each word with its meaning, in the order of the documentation.
    const ALL: &'static [(&'static str, Self)];

    /// The value that a word names.
    fn of_word(text: &str) -> Result<Self, ValueError> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| ValueError::new(Self::allowed()))
    }

    /// The word of this value.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }

    /// What is allowed, as a sentence's end.
    fn allowed() -> String {
        format!("allowed: {}", Self::words())
    }

    /// All words.
    fn words() -> String {
        let words: Vec<String> = Self::ALL.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        words.join(", ")
    }
}

/// Where blobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Files in the data folder.
    Fs,
    /// Nothing outlives the process.
    Memory,
}

impl Choice for Storage {
    const ALL: &'static [(&'static str, Self)] = &[("fs", Self::Fs), ("memory", Self::Memory)];
}

impl Choice for Share {
    const ALL: &'static [(&'static str, Self)] = &[("loopback", Self::Loopback), ("all", Self::All)];
}

impl Choice for Direct {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line, for collectors.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// The least severe log line that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What will fail if nobody looks.
    Warn,
    /// What happened.
    Info,
    /// How it happened.
    Debug,
    /// Every step.
    Trace,
}

impl Choice for LogLevel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}
