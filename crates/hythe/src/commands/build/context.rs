//! What the contexts of a build are.

use std::path::{Path, PathBuf};

use hythe_build::ContextSource;

use crate::failure::Failure;

/// What an additional context is. A relative path starts at the folder.
pub(super) fn context_source(value: &str, folder: &Path) -> Result<ContextSource, Failure> {
    if let Some(image) =
        value.strip_prefix("docker-image://").or_else(|| value.strip_prefix("container-image://"))
    {
        let image: Result<hythe_oci::ImageName, _> = image.parse();
        return image.map(ContextSource::Image).map_err(|error| Failure::Usage(error.to_string()));
    }
    if is_address(value) {
        return Ok(ContextSource::Other(value.to_owned()));
    }
    Ok(ContextSource::Folder(folder.join(value)))
}

/// Whether a context is on another machine.
pub(super) fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@")
}

/// The folder of this name.
pub(super) fn folder(text: &str) -> Result<PathBuf, Failure> {
    if is_address(text) {
        return Err(Failure::Usage(format!(
            "`{text}` is on another machine, so hythe cannot know whether it changed: clone it, and build the folder"
        )));
    }
    if !Path::new(text).is_dir() {
        return Err(Failure::Usage(format!("there is no folder `{text}` to build")));
    }
    Ok(PathBuf::from(text))
}
