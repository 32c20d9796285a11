//! The error codes of the API, and the body of an error answer (distribution-spec, Error codes).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+) => {
        /// An error code: one of the specification's, or one of those of `registry:2` that clients know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The text of the code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

error_codes! {
    /// The repository has no such blob.
    BlobUnknown = "BLOB_UNKNOWN",
    /// The upload cannot be continued.
    BlobUploadInvalid = "BLOB_UPLOAD_INVALID",
    /// The upload session does not exist.
    BlobUploadUnknown = "BLOB_UPLOAD_UNKNOWN",
    /// The digest is malformed, unsupported, or does not match the content.
    DigestInvalid = "DIGEST_INVALID",
    /// A manifest references a manifest or blob that the repository does not have.
    ManifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN",
    /// The manifest is malformed.
    ManifestInvalid = "MANIFEST_INVALID",
    /// The repository has no such manifest.
    ManifestUnknown = "MANIFEST_UNKNOWN",
    /// The manifest's signature is not valid (schema 1 only; kept for clients).
    ManifestUnverified = "MANIFEST_UNVERIFIED",
    /// The repository name is malformed.
    NameInvalid = "NAME_INVALID",
    /// The registry has no such repository.
    NameUnknown = "NAME_UNKNOWN",
    /// The given length is not the length of the content.
    SizeInvalid = "SIZE_INVALID",
    /// The tag is malformed (`registry:2`).
    TagInvalid = "TAG_INVALID",
    /// The chunk does not continue the upload (`registry:2`).
    RangeInvalid = "RANGE_INVALID",
    /// The page size is not an allowed number (`registry:2`).
    PaginationNumberInvalid = "PAGINATION_NUMBER_INVALID",
    /// The client must authenticate first.
    Unauthorized = "UNAUTHORIZED",
    /// The client may not do this.
    Denied = "DENIED",
    /// The operation does not exist here or is switched off.
    Unsupported = "UNSUPPORTED",
    /// Too many requests; come back later.
    TooManyRequests = "TOOMANYREQUESTS",
    /// The registry cannot serve requests at the moment (`registry:2`).
    Unavailable = "UNAVAILABLE",
    /// The registry itself failed (`registry:2`).
    Unknown = "UNKNOWN",
}

impl ErrorCode {
    /// The body of an answer with one error.
    pub fn body(self, message: impl Into<String>, detail: Option<Value>) -> Vec<u8> {
        ErrorBody::new(self, message, detail).to_bytes()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is none of [`ErrorCode::ALL`]: some registries invent codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error code `{text}` is neither in the specification nor in registry:2")]
pub struct ErrorCodeError {
    text: String,
}

impl FromStr for ErrorCode {
    type Err = ErrorCodeError;

    fn from_str(text: &str) -> Result<Self, ErrorCodeError> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str() == text);
        found.ok_or_else(|| ErrorCodeError { text: text.to_owned() })
    }
}

/// The body of a 4xx or 5xx answer: `{"errors":[{"code","message","detail"}]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The errors, the most important first.
    pub errors: Vec<ErrorEntry>,
}

/// One error of an [`ErrorBody`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntry {
    /// The code. It is text, because other registries answer codes of their own.
    pub code: String,
    /// For a person to read.
    #[serde(default, deserialize_with = "null_as_empty", skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// For a program to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl ErrorEntry {
    /// The code, if it is a known one.
    pub fn known_code(&self) -> Option<ErrorCode> {
        self.code.parse().ok()
    }
}

impl ErrorBody {
    /// A body of one error.
    pub fn new(code: ErrorCode, message: impl Into<String>, detail: Option<Value>) -> Self {
        Self { errors: vec![ErrorEntry { code: code.as_str().to_owned(), message: message.into(), detail }] }
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Never: strings and JSON values always serialise.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and JSON values serialise")
    }
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_text() {
        for &code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!(code.as_str().bytes().all(|c| c.is_ascii_uppercase() || c == b'_'), "{code}");
        }
    }

    #[test]
    fn a_body_has_the_shape_of_the_specification() {
        let detail = serde_json::json!({"Tag": "latest"});
        assert_eq!(
            String::from_utf8(ErrorCode::ManifestUnknown.body("manifest unknown", Some(detail))).unwrap(),
            r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"latest"}}]}"#
        );
    }

    #[test]
    fn a_foreign_body_with_an_invented_code_and_no_message_is_read() {
        let body: ErrorBody =
            serde_json::from_str(r#"{"errors":[{"code":"PAUSED","message":null,"trace":1}]}"#).unwrap();
        assert_eq!(body.errors[0].code, "PAUSED");
        assert_eq!(body.errors[0].known_code(), None);
        assert_eq!(body.errors[0].message, "");
    }
}
