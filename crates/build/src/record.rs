//! The hash of each input under its name, as it is kept on the machine.

mod compare;
mod text;

use std::collections::BTreeMap;

use hythe_oci::{Algorithm, Digest};
use serde::{Deserialize, Serialize};

use crate::change::Change;
use crate::key::Key;

/// The version of the key's format. Another version gives other keys.
pub(crate) const FORMAT: u32 = 1;

/// The hash of each input under its name. Compared with a later record it names what changed. It holds no build argument's
/// value, but it names files: keep it on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub(crate) format: u32,
    /// The target as it was asked for. It does not enter the key: the stages that it needs do.
    pub(crate) target: Option<String>,
    /// The hash of a Dockerfile that is not UTF-8.
    pub(crate) dockerfile: Option<Digest>,
    /// The escape character, unless it is a backslash.
    pub(crate) escape: Option<char>,
    /// The frontend's image.
    pub(crate) syntax: Option<String>,
    pub(crate) labels: BTreeMap<String, Digest>,
    /// Sorted by name, each once.
    pub(crate) platforms: Vec<PlatformRecord>,
    /// The files of each context, by their escaped paths.
    pub(crate) contexts: BTreeMap<String, BTreeMap<String, Entry>>,
    pub(crate) bases: BTreeMap<String, Digest>,
}

/// What a build for one platform does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlatformRecord {
    pub(crate) platform: String,
    /// The hashes of the build arguments' values.
    pub(crate) arguments: BTreeMap<String, Digest>,
    pub(crate) stages: Vec<StageRecord>,
}

/// A stage that the target needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StageRecord {
    pub(crate) line: usize,
    pub(crate) base: String,
    pub(crate) platform: Option<String>,
    pub(crate) instructions: Vec<InstructionRecord>,
}

/// An instruction of such a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstructionRecord {
    pub(crate) line: usize,
    pub(crate) keyword: String,
    pub(crate) hash: Digest,
    /// What it reads by `--from`.
    pub(crate) sources: Vec<String>,
}

/// A file of a context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entry {
    File(Digest),
    Executable(Digest),
    /// A symbolic link, with its escaped target.
    Link(String),
    Folder,
    /// A device, a pipe or a socket.
    Special,
}

impl Record {
    /// What changed from this record to a later one, the likeliest causes first.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        compare::changes(self, now)
    }

    /// The digests of the bases, by the full names of the images.
    pub fn bases(&self) -> &BTreeMap<String, Digest> {
        &self.bases
    }

    /// The text whose hash is the key (`docs/reference/input-key.md`).
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The key of these inputs.
    pub fn key(&self) -> Key {
        Key::new(Digest::of(Algorithm::Sha256, self.text().as_bytes()))
    }
}
