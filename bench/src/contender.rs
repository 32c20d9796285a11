//! The contenders, and where their programs are.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Serialize, Serializer};

/// A server that the bench measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The registry of this repository.
    Hythe,
    /// Serves static files: the limit of reading.
    Nginx,
    /// Debian's docker-registry, distribution 2.8.
    Registry2,
    /// distribution 3.
    Distribution,
    /// Receives, hashes and writes: the limit of pushing.
    Loop,
    /// The same, but another thread computes the hash.
    LoopBeside,
}

impl Kind {
    /// All contenders, in the order of the table's columns.
    pub(crate) const ALL: [Self; 6] =
        [Self::Hythe, Self::Nginx, Self::Registry2, Self::Distribution, Self::Loop, Self::LoopBeside];

    /// The column's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hythe => "hythe",
            Self::Nginx => "nginx",
            Self::Registry2 => "registry2",
            Self::Distribution => "distribution",
            Self::Loop => "loop",
            Self::LoopBeside => "loop-beside",
        }
    }

    /// Selects hythe alone, for measurements without a contender: the table shows them in hythe's column.
    pub(crate) const fn is_hythe(self) -> bool {
        matches!(self, Self::Hythe)
    }

    /// Whether it accepts pushes and serves the pushed content.
    pub(crate) const fn is_registry(self) -> bool {
        matches!(self, Self::Hythe | Self::Registry2 | Self::Distribution)
    }

    /// Whether it accepts pushes.
    pub(crate) const fn takes_pushes(self) -> bool {
        !matches!(self, Self::Nginx)
    }

    /// Whether it serves stored content.
    pub(crate) const fn gives_pulls(self) -> bool {
        !matches!(self, Self::Loop | Self::LoopBeside)
    }

    /// The path of its program, or how to install it.
    fn find(self) -> Result<PathBuf, &'static str> {
        match self {
            Self::Hythe => given("HYTHE_BIN")
                .or_else(|| on_path("hythe"))
                .ok_or("no binary: set HYTHE_BIN, or run bench/run, which builds it"),
            Self::Nginx => on_path("nginx").ok_or("no binary: install the Debian package nginx-light"),
            Self::Registry2 => {
                on_path("docker-registry").ok_or("no binary: install the Debian package docker-registry")
            }
            Self::Distribution => given("REGISTRY3_BIN")
                .or_else(|| on_path("registry"))
                .ok_or("no binary: set REGISTRY3_BIN, or install Go and run bench/run, which builds it"),
            Self::Loop | Self::LoopBeside => {
                env::current_exe().map_err(|_| "the file of the bench program was removed")
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A contender whose program is on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// Which contender.
    pub(crate) kind: Kind,
    /// Its program.
    pub(crate) program: PathBuf,
    /// The version that the program prints.
    pub(crate) version: String,
}

impl Contender {
    /// The contenders of `wanted` that are on this machine, and for each missing one the reason.
    pub(crate) fn find(wanted: &[Kind]) -> (Vec<Self>, BTreeMap<Kind, &'static str>) {
        let (mut found, mut absent) = (Vec::new(), BTreeMap::new());
        for kind in Kind::ALL.into_iter().filter(|kind| wanted.contains(kind)) {
            match kind.find() {
                Ok(program) => {
                    let version = version(kind, &program);
                    found.push(Self { kind, program, version });
                }
                Err(reason) => {
                    absent.insert(kind, reason);
                }
            }
        }
        (found, absent)
    }
}

fn version(kind: Kind, program: &Path) -> String {
    let flag = match kind {
        Kind::Nginx => "-v",
        Kind::Loop | Kind::LoopBeside => return env!("CARGO_PKG_VERSION").to_owned(),
        Kind::Hythe | Kind::Registry2 | Kind::Distribution => "--version",
    };
    let Ok(output) = Command::new(program).arg(flag).stdin(Stdio::null()).output() else {
        return String::new();
    };
    // nginx prints its version on standard error.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default().trim();
    // The Go programs print their own path before the version.
    let path = program.display().to_string();
    line.strip_prefix(path.as_str()).unwrap_or(line).trim().to_owned()
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

fn on_path(name: &str) -> Option<PathBuf> {
    // Debian installs nginx in a folder that only root's PATH contains.
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
