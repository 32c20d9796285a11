//! What changed between two builds.

use std::fmt;

use hythe_oci::Digest;
use serde::Serialize;

/// An input that changed between two builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "input", rename_all = "kebab-case")]
pub enum Change {
    /// A file of a context. The path of a file in an additional context begins with the context's name and a colon.
    File {
        /// The path.
        path: String,
        /// What changed.
        change: FileChange,
    },
    /// A file has another path; its bytes are the same.
    Renamed {
        /// The former path.
        from: String,
        /// The path now.
        to: String,
    },
    /// A build argument has another value, or became an input or no longer is one. Values are not told: they may be secret.
    Argument {
        /// The argument.
        name: String,
    },
    /// A base image moved, or became an input or no longer is one.
    Base {
        /// The image's name.
        image: String,
        /// The former digest.
        was: Option<Digest>,
        /// The digest now.
        now: Option<Digest>,
    },
    /// An instruction of the Dockerfile.
    Instruction {
        /// Its line now; for an instruction that was removed, its former line.
        line: usize,
        /// Its keyword, such as `RUN`.
        keyword: String,
        /// Whether it was removed.
        removed: bool,
    },
    /// Another setting: the target, the platforms, a label, an additional context.
    Setting {
        /// Its name.
        name: String,
    },
    /// The keys have different versions of the format, so that nothing can be compared.
    Format,
}

/// What changed about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its bytes changed.
    Content,
    /// It became executable, or no longer is: its x bit.
    Executable,
    /// It is a symbolic link and points elsewhere.
    Target,
    /// It became a file, a folder or a symbolic link.
    Kind,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, change } => match change {
                FileChange::Added => write!(f, "{path} was added"),
                FileChange::Removed => write!(f, "{path} was removed"),
                FileChange::Content => write!(f, "{path} changed"),
                FileChange::Executable => write!(f, "the x bit of {path} changed"),
                FileChange::Target => write!(f, "the symbolic link {path} has another target"),
                FileChange::Kind => write!(f, "{path} became another kind of file"),
            },
            Self::Renamed { from, to } => write!(f, "{from} was renamed to {to}"),
            Self::Argument { name } => write!(f, "the build argument {name} changed"),
            Self::Base { image, was: Some(was), now: Some(now) } => {
                write!(f, "the base {image} moved from {was} to {now}")
            }
            Self::Base { image, was: None, .. } => write!(f, "the base {image} was added"),
            Self::Base { image, now: None, .. } => write!(f, "the base {image} was removed"),
            Self::Instruction { line, keyword, removed: false } => {
                write!(f, "line {line} of the Dockerfile changed ({keyword})")
            }
            Self::Instruction { line, keyword, removed: true } => {
                write!(f, "line {line} of the Dockerfile was removed ({keyword})")
            }
            Self::Setting { name } => write!(f, "{name} changed"),
            Self::Format => f.write_str("the last build was recorded by another version of hythe"),
        }
    }
}
