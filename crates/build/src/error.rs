//! Why the inputs of a build cannot be read.

use std::io;
use std::path::PathBuf;

use hythe_oci::ImageName;

/// Why the inputs of a build cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The Dockerfile is not valid, or asks for something that does not exist.
    #[error("{file}:{line}: {message}")]
    Dockerfile {
        /// The Dockerfile.
        file: String,
        /// The line of the instruction, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The ignore file has a line that is not a pattern.
    #[error("{file}: {message}")]
    Ignore {
        /// The ignore file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// The Dockerfile has no such stage.
    #[error("{file} has no stage `{target}`")]
    Target {
        /// The Dockerfile.
        file: String,
        /// The stage that was asked for.
        target: String,
    },
    /// A base's digest was not given.
    #[error("the digest of {image} is not known")]
    Base {
        /// The base image.
        image: ImageName,
    },
}
