//! The image: real files of this machine in five layers, the last of which changes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The size of the layers that do not change, in bytes.
const LAYER: u64 = 120 << 20;
/// How many of them the image has.
const LAYERS: usize = 4;
/// The size of the layer that changes, in bytes.
const TOP: u64 = 20 << 20;

const DOCKERFILE: &str =
    "FROM scratch\nCOPY 0 /0\nCOPY 1 /1\nCOPY 2 /2\nCOPY 3 /3\nCOPY top /top\nCMD [\"/top\"]\n";

/// The build context of the image.
pub(crate) struct Context(TempDir);

impl Context {
    /// Copies files of this machine into the context's folders.
    pub(crate) fn create() -> Self {
        let folder = tempfile::Builder::new().prefix("hythe-loop-").tempdir().expect("a temporary folder");
        let mut files = Vec::new();
        for place in ["/usr/lib", "/usr/bin", "/usr/share"] {
            collect(Path::new(place), &mut files);
        }
        files.sort();
        // The layer that changes has files of a program's source and packages: small ones.
        let (small, mut large): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, size)| (8 << 10..64 << 10).contains(size));
        fill(&folder.path().join("top"), &mut small.into_iter(), TOP);
        large.retain(|(_, size)| *size < 32 << 20);
        let mut large = large.into_iter();
        for layer in 0..LAYERS {
            fill(&folder.path().join(layer.to_string()), &mut large, LAYER);
        }
        fs::write(folder.path().join("Dockerfile"), DOCKERFILE).expect("the folder is ours");
        Self(folder)
    }

    /// The context's folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Changes each file of the last layer.
    pub(crate) fn change(&self, round: usize) {
        for entry in fs::read_dir(self.0.path().join("top")).expect("the folder is ours") {
            let path = entry.expect("the folder is ours").path();
            let mut file = fs::File::options().append(true).open(path).expect("the file is ours");
            writeln!(file, "round {round}").expect("the disk has space");
        }
    }
}

/// The files below a folder that can be read, with their sizes.
fn collect(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            collect(&entry.path(), files);
        } else if let (true, Ok(metadata)) = (kind.is_file(), entry.metadata()) {
            files.push((entry.path(), metadata.len()));
        }
    }
}

/// Copies files into the folder until it has this size.
fn fill(folder: &Path, files: &mut impl Iterator<Item = (PathBuf, u64)>, size: u64) {
    fs::create_dir(folder).expect("the folder is ours");
    let mut filled = 0;
    for (number, (path, length)) in files.enumerate() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if fs::copy(&path, folder.join(format!("{number}-{name}"))).is_ok() {
            filled += length;
        }
        if filled >= size {
            return;
        }
    }
    eprintln!("{} has only {filled} of {size} bytes: this machine has too few files", folder.display());
}
