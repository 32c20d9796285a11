//! Why an image is built.

use hythe_build::{Change, Unknown};
use serde_json::{Value, json};

use crate::console::count_of;

/// Reasons that a sentence names. JSON has more.
const SHOWN: usize = 3;

/// Reasons in JSON.
const LISTED: usize = 1000;

/// Why an image is built.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// An input changed since the last build on this machine.
    Changed(Change),
    /// An input cannot be known.
    Unknown(Unknown),
    /// The user wants it.
    Forced,
    /// The registry has no image with these inputs, and this machine knows of no earlier build.
    First {
        /// The repository.
        place: String,
    },
    /// The inputs are those of the last build, but the registry does not have the image any more.
    Gone {
        /// The repository.
        place: String,
    },
    /// The registry has only a part of the image.
    Damaged {
        /// The repository.
        place: String,
        /// What is missing.
        lacks: String,
    },
    /// A base in this project needs a build.
    Base {
        /// The base.
        name: String,
    },
}

impl Reason {
    /// The reason in words, as a part of a sentence.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Changed(change) => change.to_string(),
            Self::Unknown(unknown) => {
                format!(
                    "hythe cannot know whether an input changed ({unknown}); --trust-remote takes it for unchanged"
                )
            }
            Self::Forced => "--rebuild".to_owned(),
            Self::First { place } => {
                format!(
                    "{place} has no image with these inputs, and this machine has no record of an earlier build"
                )
            }
            Self::Gone { place } => format!("no input changed, but {place} does not have the image any more"),
            Self::Damaged { place, lacks } => {
                format!("no input changed, but {place} lacks {lacks} of the image")
            }
            Self::Base { name } => format!("its base `{name}` needs a build"),
        }
    }

    fn json(&self) -> Value {
        let mut value = match self {
            Self::Changed(change) => json!({ "kind": "changed", "change": change }),
            Self::Unknown(unknown) => json!({ "kind": "unknown", "unknown": unknown }),
            Self::Forced => json!({ "kind": "forced" }),
            Self::First { .. } => json!({ "kind": "first" }),
            Self::Gone { .. } => json!({ "kind": "gone" }),
            Self::Damaged { lacks, .. } => json!({ "kind": "damaged", "lacks": lacks }),
            Self::Base { name } => json!({ "kind": "base", "name": name }),
        };
        value["text"] = self.text().into();
        value
    }
}

/// Several reasons in one sentence.
pub(super) fn sentence(reasons: &[Reason]) -> String {
    let shown: Vec<String> = reasons.iter().take(SHOWN).map(Reason::text).collect();
    let more = match reasons.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(", and {}", count_of(more as u64, "other input")),
    };
    format!("{}{more}", shown.join(", "))
}

/// Reasons as JSON.
pub(super) fn list(reasons: &[Reason]) -> Value {
    reasons.iter().take(LISTED).map(Reason::json).collect()
}
