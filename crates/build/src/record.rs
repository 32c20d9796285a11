//! The hash of each input under its name, as it is kept on the machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hythe_oci::{Algorithm, Digest};
use serde::{Deserialize, Serialize};

use crate::change::{Change, FileChange};
use crate::key::Key;

/// The version of the key's format. Another version gives other keys.
pub(crate) const FORMAT: u32 = 1;

/// The hash of each input under its name. Compared with a later record it names what changed. It holds no build argument's
/// value, but it names files: keep it on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub(crate) format: u32,
    pub(crate) files: BTreeMap<String, Digest>,
    pub(crate) bases: BTreeMap<String, Digest>,
}

impl Record {
    /// What changed from this record to a later one, the likeliest cause first.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        if self.format != now.format {
            return vec![Change::Format];
        }
        let mut changes = Vec::new();
        for (path, digest) in &now.files {
            let change = match self.files.get(path) {
                None => FileChange::Added,
                Some(was) if was != digest => FileChange::Content,
                Some(_) => continue,
            };
            changes.push(Change::File { path: path.clone(), change });
        }
        let gone = self.files.keys().filter(|path| !now.files.contains_key(*path));
        changes.extend(gone.map(|path| Change::File { path: path.clone(), change: FileChange::Removed }));
        for (image, digest) in &now.bases {
            let was = self.bases.get(image).copied();
            if was != Some(*digest) {
                changes.push(Change::Base { image: image.clone(), was, now: Some(*digest) });
            }
        }
        changes
    }

    /// The key of these inputs.
    pub(crate) fn key(&self) -> Key {
        let mut text = format!("hythe-input-key {}\n", self.format);
        for (name, digest) in self.bases.iter().chain(&self.files) {
            let _ = writeln!(text, "{name} {digest}");
        }
        Key::new(Digest::of(Algorithm::Sha256, text.as_bytes()))
    }
}
