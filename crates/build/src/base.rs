//! The images that a build reads.

use hythe_oci::{ImageName, Platform};
use serde::Serialize;

/// An image that a build reads. Its digest enters the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The image, under its full name ([`ImageName::normalised`]).
    pub image: ImageName,
    /// The platforms that the builder reads of it; empty for a frontend, which runs on the builder's machine.
    pub platforms: Vec<Platform>,
    /// What the build reads it for, in the order of the Dockerfile.
    pub uses: Vec<Use>,
}

impl Base {
    /// Whether the final image is built on this image: the one that annotations name as its base.
    pub fn is_final(&self) -> bool {
        self.uses.contains(&Use::Final)
    }
}

/// What a build reads an image for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// `FROM` of the stage that becomes the image, or of a stage that this one is built on.
    Final,
    /// `FROM` of another stage.
    Stage,
    /// `COPY --from` or `RUN --mount=from=`.
    Copy,
    /// The frontend that reads the Dockerfile (`# syntax=`).
    Syntax,
}
