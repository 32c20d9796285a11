//! How strictly a manifest and its descriptors are read.

use serde_json::value::RawValue;

use crate::manifest_error::ManifestError;

/// How strictly a manifest is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// A client pushes the manifest: it gets an error for each mistake, and can correct it.
    Pushed,
    /// Another registry published the manifest, so its author gets no error. It is refused only if its references
    /// cannot be read.
    Published,
}

/// Reads a string; otherwise an error with the path at which a string was expected.
pub(crate) fn text(raw: &RawValue, path: impl Fn() -> String) -> Result<String, ManifestError> {
    serde_json::from_str(raw.get()).map_err(|_| ManifestError::field(path(), "must be a string"))
}
