//! Why bytes are not a manifest that this registry takes.

use std::fmt;

use crate::{ErrorCode, media_type};

/// Why bytes are not a manifest that this registry takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON.
    #[error("the manifest is not JSON: line {line}, column {column}: {reason}")]
    Json {
        /// What the parser met.
        reason: String,
        /// Where, from 1.
        line: usize,
        /// Where, from 1 (0 at the very end of a line).
        column: usize,
    },
    /// JSON, but another value than an object.
    #[error("the manifest is not a JSON object")]
    NotObject,
    /// Schema 1, which no client writes any more.
    #[error(
        "the manifest uses Docker's schema 1, which is obsolete; push the image again with a client that writes \
         schema 2 or OCI manifests"
    )]
    Schema1,
    /// The type is none of ours.
    #[error("media type `{media_type}` is not supported for manifests; supported are {}", media_type::MANIFESTS.join(", "))]
    UnsupportedMediaType {
        /// What was given.
        media_type: String,
    },
    /// Neither a type nor fields that imply one.
    #[error(
        "the manifest does not say its media type: send a Content-Type, or set `mediaType`; supported are {}",
        media_type::MANIFESTS.join(", ")
    )]
    NoMediaType,
    /// Two types that differ: two clients could read two things.
    #[error(
        "the Content-Type is `{content_type}`, but the manifest's mediaType is `{media_type}`; they must be equal"
    )]
    MediaTypeMismatch {
        /// The header's.
        content_type: String,
        /// The field's.
        media_type: String,
    },
    /// Fields of an image and of an index in one manifest: two clients could read two things (CVE-2021-41190).
    #[error(
        "a manifest of type `{media_type}` must not have the field `{field}`: clients could read it as an image or as an \
         index"
    )]
    Ambiguous {
        /// The type.
        media_type: String,
        /// The field of the other kind.
        field: &'static str,
    },
    /// `schemaVersion` is absent or not 2.
    #[error("schemaVersion is {found}; it must be 2")]
    SchemaVersion {
        /// What was given.
        found: String,
    },
    /// A field is absent or malformed.
    #[error("{path} {reason}")]
    Field {
        /// Where: `layers[2].digest`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A blob that must exist cannot, because its digest's algorithm is not ours.
    #[error("{path}.digest: algorithm `{algorithm}` is not supported; use sha256 or sha512")]
    UnsupportedDigest {
        /// Where: `layers[2]`.
        path: String,
        /// Which.
        algorithm: String,
    },
}

impl ManifestError {
    /// The code for the wire.
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

/// A manifest may hold megabytes where a word is expected; an error quotes the beginning.
pub(crate) fn clip(text: &str) -> String {
    const LENGTH: usize = 256;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
