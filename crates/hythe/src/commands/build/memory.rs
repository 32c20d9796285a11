//! What this machine remembers of its last builds: the record of each image's inputs, which names what changed since.
//!
//! The records stay on the machine: they name files. Their number and their size are bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hythe_build::{DockerfileSource, Record};
use hythe_oci::{Algorithm, Digest, Tag};
use serde::{Deserialize, Serialize};

use super::image::Image;
use crate::config::Environment;

/// Records that are kept at most.
const MAX_FILES: usize = 500;

/// The bytes of all records together. The newest record is always kept.
const MAX_BYTES: u64 = 64 << 20;

/// The largest record that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Digits of the name of an image's record.
const ID_LENGTH: usize = 32;

/// The inputs of the last image that was built here or found in the registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The image's name.
    pub(super) image: String,
    /// Its digest in the registry.
    pub(super) digest: Digest,
    /// The digest of each base, by its name.
    pub(super) bases: BTreeMap<String, Digest>,
    /// The hash of each input.
    pub(super) record: Record,
}

/// The records of the last builds.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    folder: Option<PathBuf>,
}

impl Memory {
    /// The memory of the user; a user without a home folder has none.
    pub(super) fn of(environment: &Environment) -> Self {
        Self { folder: environment.state_folder().map(|folder| folder.join("builds")) }
    }

    /// The record of an image.
    pub(super) fn get(&self, image: &Image) -> Option<Remembered> {
        let path = self.files(&id(image)).into_iter().max_by_key(|(_, time)| *time)?.0;
        if path.metadata().ok()?.len() > MAX_FILE {
            return None;
        }
        // A record of another version is no record.
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Keeps the record of an image, in the place of its earlier one. If the record of these inputs is kept already, nothing is written.
    pub(super) fn put(
        &self,
        image: &Image,
        key: &Tag,
        remembered: impl FnOnce() -> Remembered,
    ) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let id = id(image);
        let path = folder.join(format!("{id}-{key}.json"));
        let earlier = self.files(&id);
        if earlier.iter().any(|(earlier, _)| *earlier == path) {
            return Ok(());
        }
        make_folder(folder)?;
        let temporary = folder.join(format!("{id}.{}.tmp", std::process::id()));
        fs::write(&temporary, serde_json::to_vec(&remembered())?)?;
        fs::rename(&temporary, &path)?;
        for (earlier, _) in earlier {
            let _ = fs::remove_file(earlier);
        }
        shrink(&path);
        Ok(())
    }
    /// The files of an image, with the time of their last change.
    fn files(&self, prefix: &str) -> Vec<(PathBuf, SystemTime)> {
        self.folder.as_ref().map(|folder| files(folder, prefix)).unwrap_or_default()
    }
}

/// The files whose names begin so, with the time of their last change.
fn files(folder: &Path, prefix: &str) -> Vec<(PathBuf, SystemTime)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let wanted = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let of = |entry: fs::DirEntry| Some((entry.path(), entry.metadata().ok()?.modified().ok()?));
    wanted.filter_map(of).collect()
}

/// Removes the oldest files beside the newest one beyond the limits.
pub(super) fn shrink(newest: &Path) {
    let mut files = newest.parent().map(|folder| files(folder, "")).unwrap_or_default();
    files.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let mut bytes = 0;
    for (number, (path, _)) in files.iter().enumerate() {
        bytes += path.metadata().map_or(0, |metadata| metadata.len());
        if path != newest && (number >= MAX_FILES || bytes > MAX_BYTES) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates the folder, for the user alone: the records name files.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The name of an image's record: the same for every tag of a repository and in every clone of a project.
fn id(image: &Image) -> String {
    let main = image.main();
    let dockerfile = match &image.recipe.dockerfile {
        DockerfileSource::Path(path) => {
            path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
        }
        DockerfileSource::Inline(_) => "-".into(),
    };
    let target = image.recipe.target.as_deref().unwrap_or_default();
    let text = format!("{}/{}\n{dockerfile}\n{target}", main.registry(), main.repository());
    Digest::of(Algorithm::Sha256, text.as_bytes()).hex()[..ID_LENGTH].to_owned()
}
