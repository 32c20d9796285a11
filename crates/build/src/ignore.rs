//! Ignore files (`.dockerignore`), as BuildKit reads and applies them.
//!
//! This follows `github.com/moby/patternmatcher` and the walk of `github.com/tonistiigi/fsutil`: patterns are anchored at the
//! context's root, the last pattern that matches a path or a folder above it decides, and `!` includes a path again, also below
//! an excluded folder.

mod expression;
mod file;
mod matcher;
mod pattern;

pub(crate) use file::patterns;
pub(crate) use matcher::{Matched, Matcher};
