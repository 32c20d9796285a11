//! An image that a bundle is to get.

use hythe_oci::{Digest, ImageName, Platform};

/// An image to bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The full name.
    pub(super) name: ImageName,
    /// The digest that a cluster runs under this name.
    pub(super) running: Option<Digest>,
    /// The platforms of the nodes that run it; empty if no node is known.
    pub(super) platforms: Vec<Platform>,
    /// Whether only the cache is asked, for the platforms that it has.
    pub(super) cached: bool,
}

impl Wanted {
    /// An image that is known by its name only.
    pub(super) fn named(name: ImageName) -> Self {
        Self { name, running: None, platforms: Vec::new(), cached: false }
    }
}
