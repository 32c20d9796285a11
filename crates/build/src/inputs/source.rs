//! The text of a Dockerfile.

use std::fs;
use std::path::PathBuf;

use hythe_oci::{Algorithm, Digest};

use crate::dockerfile::Fault;
use crate::error::Error;
use crate::recipe::DockerfileSource;

/// The text of a Dockerfile, and its name in messages.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
    pub(super) text: String,
    /// The hash of the file's bytes if they are not UTF-8: the text has replacement characters then.
    pub(super) hash: Option<Digest>,
}

pub(super) fn read(source: &DockerfileSource) -> Result<Source, Error> {
    match source {
        DockerfileSource::Inline(text) => {
            let name = "the inline Dockerfile".to_owned();
            Ok(Source { name, path: None, text: text.clone(), hash: None })
        }
        DockerfileSource::Path(path) => {
            let bytes = fs::read(path).map_err(|source| Error::Read { path: path.clone(), source })?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let hash = (text.as_bytes() != bytes).then(|| hash(&bytes));
            Ok(Source { name: path.display().to_string(), path: Some(path.clone()), text, hash })
        }
    }
}

pub(super) fn hash(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

impl Source {
    pub(super) fn fault(&self, fault: Fault) -> Error {
        Error::Dockerfile { file: self.name.clone(), line: fault.line, message: fault.message }
    }
}
