//! The source of a value.

use std::fmt;
use std::path::{Path, PathBuf};

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// hythe's default: no layer sets the value.
    Default,
    /// A place in hythe's own configuration file. Line and column count from 1.
    File {
        /// The file's path, as the user named it.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// A place in a `registry:2` configuration file.
    Registry2 {
        /// The file's path, as the user named it.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// The default of `registry:2`, because its file does not set the value.
    Registry2Default {
        /// The file.
        path: PathBuf,
    },
    /// A variable `REGISTRY_…`.
    Registry2Variable(String),
    /// A variable `HYTHE_…`.
    Variable(String),
    /// A flag, without its dashes.
    Flag(&'static str),
}

impl ValueSource {
    pub(crate) fn file(path: &Path, (line, column): (usize, usize)) -> Self {
        Self::File { path: path.to_owned(), line, column }
    }

    /// Whether the value comes from a `registry:2` deployment, so that `registry:2`'s behaviour applies to it.
    pub fn is_registry2(&self) -> bool {
        match self {
            Self::Registry2 { .. } | Self::Registry2Default { .. } | Self::Registry2Variable(_) => true,
            Self::Default | Self::File { .. } | Self::Variable(_) | Self::Flag(_) => false,
        }
    }

    /// The place alone, with which an error begins.
    pub fn place(&self) -> String {
        match self {
            Self::Default => "default".to_owned(),
            Self::File { path, line, column } | Self::Registry2 { path, line, column } => {
                format!("{}:{line}:{column}", path.display())
            }
            Self::Registry2Default { path } => path.display().to_string(),
            Self::Registry2Variable(name) | Self::Variable(name) => name.clone(),
            Self::Flag(name) => format!("--{name}"),
        }
    }
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Registry2 { path, line, .. } => write!(f, "registry:2 {}:{line}", path.display()),
            Self::Registry2Default { path } => write!(f, "registry:2's default ({})", path.display()),
            Self::Default | Self::Registry2Variable(_) | Self::Variable(_) | Self::Flag(_) => {
                f.write_str(&self.place())
            }
        }
    }
}
