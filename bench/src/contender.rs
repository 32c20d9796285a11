//! Who takes part, and where its program is.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Serialize, Serializer};

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The registry that this bench is for.
    Hythe,
    /// Static files: the limit of reading.
    Nginx,
    /// Debian's docker-registry, distribution 2.8.
    Registry2,
    /// distribution 3.
    Distribution,
    /// Receive, hash, write: the limit of pushing.
    Loop,
    /// The same with the hash in a thread beside.
    LoopBeside,
}

impl Kind {
    /// All, in the order of the table's columns.
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

    /// What is measured once, and stands in its column.
    pub(crate) const fn is_hythe(self) -> bool {
        matches!(self, Self::Hythe)
    }

    /// It takes pushes as a registry does, and gives them back.
    pub(crate) const fn is_registry(self) -> bool {
        matches!(self, Self::Hythe | Self::Registry2 | Self::Distribution)
    }

    /// It takes pushes.
    pub(crate) const fn takes_pushes(self) -> bool {
        !matches!(self, Self::Nginx)
    }

    /// It serves what was put there.
    pub(crate) const fn gives_pulls(self) -> bool {
        !matches!(self, Self::Loop | Self::LoopBeside)
    }

    /// Where its program is, or what to do to have it.
    fn find(self) -> Result<PathBuf, &'static str> {
        match self {
            Self::Hythe => given("HYTHE_BIN")
                .or_else(|| on_path("hythe"))
                .ok_or("no binary: set HYTHE_BIN, or start through bench/run, which builds it"),
            Self::Nginx => on_path("nginx").ok_or("no binary: install the Debian package nginx-light"),
            Self::Registry2 => {
                on_path("docker-registry").ok_or("no binary: install the Debian package docker-registry")
            }
            Self::Distribution => given("REGISTRY3_BIN").or_else(|| on_path("registry")).ok_or(
                "no binary: set REGISTRY3_BIN, or start through bench/run, which builds it where Go is",
            ),
            Self::Loop | Self::LoopBeside => env::current_exe().map_err(|_| "this program's file is gone"),
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

/// One who takes part and is here.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// Who.
    pub(crate) kind: Kind,
    /// Its program.
    pub(crate) program: PathBuf,
    /// What the program says of its version.
    pub(crate) version: String,
}

impl Contender {
    /// Those of `wanted` that are on this machine, and for each of the others the reason.
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
    // nginx says it on standard error.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().next().unwrap_or_default().trim();
    // Go's programs begin with the path that they were started by.
    let path = program.display().to_string();
    line.strip_prefix(path.as_str()).unwrap_or(line).trim().to_owned()
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file())
}

fn on_path(name: &str) -> Option<PathBuf> {
    // Debian keeps nginx where only root's PATH looks.
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
