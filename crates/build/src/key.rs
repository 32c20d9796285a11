//! The key of a build's inputs.

use std::fmt;

use hythe_oci::{Digest, Tag, input_tag};
use serde::{Serialize, Serializer};

/// The key of a build's inputs: a SHA-256 over the canonical list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(Digest);

impl Key {
    pub(crate) fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The tag under which a registry has the image of these inputs: `in-<24 hex digits>`.
    pub fn tag(&self) -> Tag {
        input_tag(&self.0)
    }

    /// The whole key, as a digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
