//! The binary that goes into the image, with the loader and libraries of a dynamic one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;

/// Why no image can be made of a binary.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It cannot be read.
    #[error("the binary {} cannot be read: {error}", .path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is of another system.
    #[error(
        "{} is no Linux binary, which a container needs: name hythe's Linux binary of the engine's architecture \
         with --binary FILE", .path.display()
    )]
    Foreign {
        /// Where it is.
        path: PathBuf,
    },
    /// It runs on an architecture that has no name here.
    #[error("{} is a binary of an architecture that hythe does not know (ELF machine {machine})", .path.display())]
    Architecture {
        /// Where it is.
        path: PathBuf,
        /// The machine's number in its header.
        machine: u16,
    },
    /// It needs a library that was not found.
    #[error(
        "{} needs {library}, which is in none of the system's folders. Build hythe statically: \
         RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target x86_64-unknown-linux-gnu",
        .path.display()
    )]
    Library {
        /// Where the binary is.
        path: PathBuf,
        /// The library's name.
        library: String,
    },
    /// The image cannot be put together.
    #[error("the image cannot be put together: {0}")]
    Pack(io::Error),
}

/// A Linux binary.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) content: Vec<u8>,
    /// As images name it.
    pub(super) architecture: &'static str,
    /// The loader and the libraries of a dynamic one, by the path at which they are looked for.
    pub(super) libraries: BTreeMap<String, Vec<u8>>,
}

/// Of the loaders of the common distributions; each looks into a part of them.
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
        // What runs, even where its file was replaced or removed since.
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

/// The loader of a dynamic binary, and what it loads.
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
