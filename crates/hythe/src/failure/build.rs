//! Why images could not be built.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Why `hythe build` failed, or its answer that a build is needed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The answer of `--check`: an image needs a build, or a tag has to be set.
    #[error("{0}")]
    Needed(String),
    /// The inputs of an image cannot be read.
    #[error("{image}: {error}")]
    Inputs {
        /// The image.
        image: String,
        /// What is wrong.
        error: hythe_build::Error,
    },
    /// A Compose file cannot be used.
    #[error("{}: {reason}", .file.display())]
    Compose {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A project file cannot be used.
    #[error("{}: {reason}", .file.display())]
    Project {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Images are based on one another in a circle.
    #[error("these images are based on one another in a circle: {}", .images.join(", "))]
    Circle {
        /// The images.
        images: Vec<String>,
    },
    /// The digest of a base image cannot be found out.
    #[error("{image}: cannot find out the digest of the base image {base}: {reason}")]
    Base {
        /// The image.
        image: String,
        /// The base.
        base: String,
        /// The cause.
        reason: String,
    },
    /// No builder is installed.
    #[error("found no builder: {reason}. Install Docker, Podman or Buildah, or choose one with --builder")]
    NoBuilder {
        /// What was tried.
        reason: String,
    },
    /// The engine to build in does not answer, and hythe must not build in another one.
    #[error(
        "cannot build in {engine}: {reason}. Start it, or choose another one with --engine, or another builder with --builder"
    )]
    Engine {
        /// The engine, and what names it.
        engine: String,
        /// What its client says.
        reason: String,
    },
    /// A program of the builder failed.
    #[error("{image}: `{command}` failed: {reason}")]
    Program {
        /// The image.
        image: String,
        /// The program and its verb.
        command: String,
        /// Its status, or why it cannot be run.
        reason: String,
    },
    /// The user, or the system, ended the command.
    #[error("the build was interrupted")]
    Interrupted,
    /// The inputs changed during each attempt to build them.
    #[error(
        "{image}: its inputs changed during the build, {attempts} times in a row: the image may be a mixture, so it was not pushed"
    )]
    Unsettled {
        /// The image.
        image: String,
        /// The number of builds.
        attempts: usize,
    },
}

impl BuildError {
    /// The error of a Compose file.
    pub(crate) fn compose(file: &Path, reason: impl Display) -> Self {
        Self::Compose { file: file.to_owned(), reason: reason.to_string() }
    }

    /// The error of a project file.
    pub(crate) fn project(file: &Path, reason: impl Display) -> Self {
        Self::Project { file: file.to_owned(), reason: reason.to_string() }
    }

    /// The exit code.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Needed(_) => 10,
            Self::Compose { .. } | Self::Project { .. } | Self::Circle { .. } => 2,
            Self::Inputs { .. }
            | Self::Base { .. }
            | Self::NoBuilder { .. }
            | Self::Engine { .. }
            | Self::Program { .. }
            | Self::Interrupted
            | Self::Unsettled { .. } => 1,
        }
    }
}
