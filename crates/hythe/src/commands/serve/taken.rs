//! The server's receipt for logins that another process handed over: that process waits for it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use hythe_oci::{Algorithm, Digest};

/// The receipt: a file beside the logins with the digest of the logins that the server read and now uses.
pub(crate) struct Taken {
    path: PathBuf,
    digest: String,
}

impl Taken {
    /// A receipt for the file's present content; `None` if the file cannot be read.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let content = fs::read(file).ok()?;
        let digest = Digest::of(Algorithm::Sha256, &content).to_string();
        Some(Self { path: file.with_file_name("taken"), digest })
    }

    /// Writes the receipt.
    pub(crate) fn tell(&self) -> io::Result<()> {
        fs::write(&self.path, &self.digest)
    }

    /// Whether the server wrote the receipt for this content.
    pub(crate) fn is_told(&self) -> bool {
        fs::read(&self.path).is_ok_and(|told| told == self.digest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_for_old_logins_is_none_for_newer_ones() {
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
