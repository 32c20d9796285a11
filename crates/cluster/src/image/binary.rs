//! Reads the binary for the image, with its loader and libraries if it is linked dynamically.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;

/// Why a binary cannot be made into an image.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The binary cannot be read.
    #[error("the binary {} cannot be read: {error}", .path.display())]
    Unreadable {
        /// The binary's path.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not a Linux binary.
    #[error(
        "{} is no Linux binary, and hythe runs in a Linux container: name hythe's Linux binary for the engine's \
         architecture with --binary FILE", .path.display()
    )]
    Foreign {
        /// The file's path.
        path: PathBuf,
    },
    /// The binary is for an architecture that hythe does not know.
    #[error(
        "{} is a binary for an architecture that hythe does not know (ELF machine {machine}): name hythe's Linux binary \
         for amd64 or arm64 with --binary FILE",
        .path.display()
    )]
    Architecture {
        /// The binary's path.
        path: PathBuf,
        /// The machine's number in the ELF header.
        machine: u16,
    },
    /// A library that the binary needs was not found.
    #[error(
        "{} needs the library {library}, which is in none of the system's library folders. Build hythe statically: \
         RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target x86_64-unknown-linux-gnu",
        .path.display()
    )]
    Library {
        /// The binary's path.
        path: PathBuf,
        /// The library's name.
        library: String,
    },
    /// The image's archive cannot be written.
    #[error("hythe's image cannot be made: {0}")]
    Pack(io::Error),
}

/// A Linux binary.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) content: Vec<u8>,
    /// The architecture, as images name it.
    pub(super) architecture: &'static str,
    /// The loader and the libraries of a dynamically linked binary, by the paths at which they are looked for.
    pub(super) libraries: BTreeMap<String, Vec<u8>>,
}

/// The folders in which the loaders of common distributions look for libraries. Each loader looks into some of them.
const FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

impl Binary {
    pub(super) fn read(path: Option<&Path>) -> Result<Self, BinaryError> {
        // This is the running binary, even if its file was replaced or removed since.
        let own = path.is_none().then(|| PathBuf::from("/proc/self/exe")).filter(|path| path.exists());
        let path = match path {
            Some(path) => path.to_owned(),
            None => own.or_else(|| std::env::current_exe().ok()).unwrap_or_else(|| PathBuf::from("hythe")),
        };
        let content =
            fs::read(&path).map_err(|error| BinaryError::Unreadable { path: path.clone(), error })?;
        let Ok(elf) = Elf::parse(&content) else { return Err(BinaryError::Foreign { path }) };
        let architecture = match elf.header.e_machine {
            goblin::elf::header::EM_X86_64 => "amd64",
            goblin::elf::header::EM_AARCH64 => "arm64",
            machine => return Err(BinaryError::Architecture { path, machine }),
        };
        let libraries = libraries(&path, &elf)?;
        Ok(Self { content, architecture, libraries })
    }
}

/// The loader of a dynamically linked binary, and the libraries that it loads.
fn libraries(path: &Path, elf: &Elf<'_>) -> Result<BTreeMap<String, Vec<u8>>, BinaryError> {
    let mut found = BTreeMap::new();
    let Some(interpreter) = elf.interpreter else { return Ok(found) };
    let missing = |library: &str| BinaryError::Library { path: path.to_owned(), library: library.to_owned() };
    let content = fs::read(interpreter).map_err(|_| missing(interpreter))?;
    found.insert(interpreter.to_owned(), content);
    let loader = Path::new(interpreter).file_name().map(|name| name.to_string_lossy().into_owned());
    let mut seen: BTreeSet<String> = loader.into_iter().collect();
    let mut wanted: Vec<String> = elf.libraries.iter().map(|name| (*name).to_owned()).collect();
    while let Some(library) = wanted.pop() {
        if !seen.insert(library.clone()) {
            continue;
        }
        let here = FOLDERS.iter().map(|folder| format!("{folder}/{library}"));
        let Some((path, content)) =
            here.into_iter().find_map(|path| Some((path.clone(), fs::read(path).ok()?)))
        else {
            return Err(missing(&library));
        };
        if let Ok(elf) = Elf::parse(&content) {
            wanted.extend(elf.libraries.iter().map(|name| (*name).to_owned()));
        }
        found.insert(path, content);
    }
    Ok(found)
}
