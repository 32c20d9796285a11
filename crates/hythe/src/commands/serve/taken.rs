//! That the server has taken what another process handed over, told to that process.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hythe_oci::{Algorithm, Digest};

/// What says that the server asks with what was handed over: the digest of the file that it read, beside it.
pub(crate) struct Taken {
    path: PathBuf,
    digest: String,
}

impl Taken {
    /// Of what is there now, if anything is.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let content = fs::read(file).ok()?;
        let digest = Digest::of(Algorithm::Sha256, &content).to_string();
        Some(Self { path: file.with_file_name("taken"), digest })
    }

    /// Says it.
    pub(crate) fn tell(&self) -> io::Result<()> {
        fs::write(&self.path, &self.digest)
    }

    /// Whether the server has said it.
    pub(crate) fn is_told(&self) -> bool {
        fs::read(&self.path).is_ok_and(|told| told == self.digest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_not_what_came_since() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        assert!(Taken::of(&file).is_none());
        fs::write(&file, "first").unwrap();
        let first = Taken::of(&file).unwrap();
        assert!(!first.is_told());
        fs::write(&file, "second").unwrap();
        first.tell().unwrap();
        assert!(first.is_told());
        assert!(!Taken::of(&file).unwrap().is_told());
    }
}
