//! Why bytes are not a manifest that this registry accepts.

use std::fmt;

use crate::{ErrorCode, media_type};

/// Why bytes are not a manifest that this registry accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not JSON.
    #[error("the manifest is not JSON: line {line}, column {column}: {reason}")]
    Json {
        /// The parser's error.
        reason: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1 (0 at the very end of a line).
        column: usize,
    },
    /// The bytes are JSON, but not an object.
    #[error("the manifest is not a JSON object")]
    NotObject,
    /// The manifest uses schema 1, which no current client writes.
    #[error(
        "the manifest uses Docker's schema 1, which is obsolete; push the image again with a client that writes \
         schema 2 or OCI manifests"
    )]
    Schema1,
    /// The registry does not support the media type.
    #[error("media type `{media_type}` is not supported for manifests; supported are {}", media_type::MANIFESTS.join(", "))]
    UnsupportedMediaType {
        /// The given media type.
        media_type: String,
    },
    /// The manifest has neither a media type nor fields that imply one.
    #[error(
        "the manifest does not say its media type: send a Content-Type, or set `mediaType`; supported are {}",
        media_type::MANIFESTS.join(", ")
    )]
    NoMediaType,
    /// The header and the field give different media types: clients could read the manifest in different ways.
    #[error(
        "the Content-Type is `{content_type}`, but the manifest's mediaType is `{media_type}`; they must be equal"
    )]
    MediaTypeMismatch {
        /// The media type of the header.
        content_type: String,
        /// The media type of the field.
        media_type: String,
    },
    /// The manifest has fields of an image and of an index: clients could read it in different ways (CVE-2021-41190).
    #[error(
        "a manifest of type `{media_type}` must not have the field `{field}`: clients could read it as an image or as an \
         index"
    )]
    Ambiguous {
        /// The media type.
        media_type: String,
        /// The field that belongs to the other kind of manifest.
        field: &'static str,
    },
    /// `schemaVersion` is absent or not 2.
    #[error("schemaVersion is {found}; it must be 2")]
    SchemaVersion {
        /// The given version.
        found: String,
    },
    /// A field is absent or malformed.
    #[error("{path} {reason}")]
    Field {
        /// The path of the field, for example `layers[2].digest`.
        path: String,
        /// What is wrong with the field.
        reason: String,
    },
    /// A required blob cannot exist, because the registry does not support the algorithm of its digest.
    #[error("{path}.digest: algorithm `{algorithm}` is not supported; use sha256 or sha512")]
    UnsupportedDigest {
        /// The path of the descriptor, for example `layers[2]`.
        path: String,
        /// The algorithm.
        algorithm: String,
    },
}

impl ManifestError {
    /// The error code of the API.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedDigest { .. } => ErrorCode::DigestInvalid,
            Self::Json { .. }
            | Self::NotObject
            | Self::Schema1
            | Self::UnsupportedMediaType { .. }
            | Self::NoMediaType
            | Self::MediaTypeMismatch { .. }
            | Self::Ambiguous { .. }
            | Self::SchemaVersion { .. }
            | Self::Field { .. } => ErrorCode::ManifestInvalid,
        }
    }

    pub(crate) fn field(path: impl fmt::Display, reason: &str) -> Self {
        Self::Field { path: clip(&path.to_string()), reason: clip(reason) }
    }
}

/// Shortens a text to its first characters for an error: a manifest may have megabytes where a word is expected.
pub(crate) fn clip(text: &str) -> String {
    const LENGTH: usize = 256;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
