//! Settings that take one word of a fixed list.

use hythe_server::{ClientAuth, TlsVersion};
use hythe_storage::fs::Direct;
use hythe_upstream::Share;

use super::ValueError;

/// A setting that takes one word of a fixed list.
pub trait Choice: Sized + Copy + PartialEq + 'static {
    /// Each word with its value, in the order of the documentation.
    const ALL: &'static [(&'static str, Self)];

    /// Words that are accepted and documented nowhere.
    const HIDDEN: &'static [(&'static str, Self)] = &[];

    /// Each word with its value, the hidden ones too.
    fn every() -> impl Iterator<Item = &'static (&'static str, Self)> {
        Self::ALL.iter().chain(Self::HIDDEN)
    }

    /// The value of a word.
    fn of_word(text: &str) -> Result<Self, ValueError> {
        let found = Self::every().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).ok_or_else(|| ValueError::new(Self::allowed()))
    }

    /// The word of this value.
    fn word(self) -> &'static str {
        Self::every().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }

    /// The documented words, as the end of an error message.
    fn allowed() -> String {
        format!("allowed: {}", Self::words())
    }

    /// All documented words.
    fn words() -> String {
        let words: Vec<String> = Self::ALL.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        words.join(", ")
    }
}

/// Where blobs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Files in the data folder.
    Fs,
    /// Memory: all data is lost when the process ends.
    Memory,
    /// An object store in memory: for tests of the back end for object stores, such as the conformance suite.
    MemoryObjects,
}

impl Choice for Storage {
    const ALL: &'static [(&'static str, Self)] = &[("fs", Self::Fs), ("memory", Self::Memory)];

    const HIDDEN: &'static [(&'static str, Self)] = &[("memory-objects", Self::MemoryObjects)];
}

impl Choice for Share {
    const ALL: &'static [(&'static str, Self)] = &[("loopback", Self::Loopback), ("all", Self::All)];
}

impl Choice for Direct {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

impl Choice for ClientAuth {
    const ALL: &'static [(&'static str, Self)] = &[("require", Self::Require), ("request", Self::Request)];
}

impl Choice for TlsVersion {
    const ALL: &'static [(&'static str, Self)] = &[("1.2", Self::V1_2), ("1.3", Self::V1_3)];
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line, for log collectors.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

/// How the registry asks clients for credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthChallenge {
    /// For a token if anonymous clients may do something, otherwise for a name and a password.
    #[default]
    Auto,
    /// For a name and a password.
    Basic,
    /// For a token.
    Token,
}

impl Choice for AuthChallenge {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("basic", Self::Basic), ("token", Self::Token)];
}

/// The lowest severity that the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Failures.
    Error,
    /// Problems that will become failures unless somebody acts.
    Warn,
    /// Events.
    Info,
    /// Details of events.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_word_is_accepted_and_not_documented() {
        for (word, value) in Storage::HIDDEN {
            assert_eq!((Storage::of_word(word).unwrap(), value.word()), (*value, *word));
            assert!(!Storage::allowed().contains(word));
        }
    }
}
