//! Paths as people write them.

use std::path::PathBuf;

use super::ValueError;

/// Reads a path.
pub(super) fn parse_path(text: &str) -> Result<PathBuf, ValueError> {
    if text.is_empty() {
        return Err(ValueError::new("write a path"));
    }
    if text.contains('\0') {
        return Err(ValueError::new("a path must not contain a NUL character"));
    }
    // Only a shell expands `~`. Unexpanded, it would create a folder with that name.
    if text == "~" || text.starts_with("~/") {
        return Err(ValueError::new("hythe does not expand `~`: write the whole path"));
    }
    Ok(text.into())
}
