//! A tag that a build has to set.

use hythe_oci::{Digest, ImageName};

/// A wanted tag that does not name the image of the inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnsetTag {
    /// The whole name.
    pub(super) reference: ImageName,
    /// The image that the tag names. Without it, the tag does not exist.
    pub(super) names: Option<Digest>,
}

impl UnsetTag {
    /// The state of the tag in words, as a part of a sentence.
    pub(super) fn text(&self) -> String {
        let state = if self.names.is_some() { "names another image" } else { "does not exist" };
        format!("the tag {} {state}", self.reference)
    }
}
