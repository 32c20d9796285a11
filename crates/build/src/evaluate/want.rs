//! The files that an instruction reads.

/// The files of a context that an instruction reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// The name of the context; the main one is `context`.
    pub(crate) context: String,
    /// The line of the instruction.
    pub(crate) line: usize,
    pub(crate) source: Source,
}

/// Which files those are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// All files.
    Everything,
    /// A path, which may have wildcards, less the patterns of `--exclude`. Without wildcards it must exist.
    Path { path: String, exclude: Vec<String>, may_have_wildcards: bool },
    /// With `--parents`: the files below a folder that match a pattern.
    Parents { folder: String, pattern: String, exclude: Vec<String> },
}

/// The name of the main context.
pub(crate) const MAIN: &str = "context";
