//! Parses a path into its endpoint (distribution-spec, Endpoints).
//!
//! A repository name contains slashes and may contain the words `tags`, `blobs`, `manifests` and `list`. So a path is
//! read from its end: the last three segments decide, and the segments before them are the name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{
    Digest, DigestError, ErrorCode, NameError, Reference, ReferenceError, RepositoryName, UploadId,
    UploadIdError,
};

/// A path of the API, with everything in it parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/`: liveness probes request it.
    Root,
    /// `/v2/`: tells clients that the server is a registry.
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/_oci/ext/discover`
    Extensions,
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/manifests/<reference>`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// The manifest.
        reference: Reference,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`
    Uploads {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload {
        /// The repository.
        name: RepositoryName,
        /// The session.
        id: UploadId,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        name: RepositoryName,
        /// The subject.
        digest: Digest,
    },
}

/// Why a path is not an endpoint of the API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No endpoint has this form.
    #[error("`{path}` is not an endpoint of the registry's API")]
    NotFound {
        /// The requested path.
        path: String,
    },
    /// The endpoint exists, but the repository name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The endpoint exists, but the tag or digest of the manifest is malformed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The endpoint exists, but the digest is malformed or unsupported.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The endpoint exists, but the text is not an upload id.
    #[error(transparent)]
    UploadId(#[from] UploadIdError),
}

impl EndpointError {
    /// The error code of the API. [`NotFound`](Self::NotFound) has the code `UNSUPPORTED`. For a method that is not
    /// allowed, the server answers that code with another status; for this error it answers 404.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::Unsupported,
            Self::Name(_) => ErrorCode::NameInvalid,
            Self::Reference(ReferenceError::Tag(_)) => ErrorCode::TagInvalid,
            Self::Reference(ReferenceError::Digest(_)) | Self::Digest(_) => ErrorCode::DigestInvalid,
            Self::UploadId(_) => ErrorCode::BlobUploadUnknown,
        }
    }
}

/// Decodes a segment. Escapes are decoded after the split of the path, so that `%2F` never makes a segment. A malformed
/// escape stays as it is, and invalid UTF-8 becomes U+FFFD: no grammar accepts either, so the error names the value.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

impl Endpoint {
    /// The endpoint of `path`, which is the request's path, still encoded, without the query.
    pub fn parse(path: &str) -> Result<Self, EndpointError> {
        let not_found = || EndpointError::NotFound { path: path.to_owned() };
        let rest = match path {
            "/" => return Ok(Self::Root),
            "/v2" | "/v2/" => return Ok(Self::Base),
            "/v2/_catalog" => return Ok(Self::Catalog),
            "/v2/_oci/ext/discover" => return Ok(Self::Extensions),
            _ => path.strip_prefix("/v2/").ok_or_else(not_found)?,
        };
        let name = |name: &str| decode(name).parse::<RepositoryName>();
        let (before, last) = rest.rsplit_once('/').ok_or_else(not_found)?;
        let (head, word) = before.rsplit_once('/').ok_or_else(not_found)?;
        match (word, last) {
            ("tags", "list") => Ok(Self::Tags { name: name(head)? }),
            ("manifests", _) => Ok(Self::Manifest { name: name(head)?, reference: decode(last).parse()? }),
            ("blobs", "uploads") => Ok(Self::Uploads { name: name(head)? }),
            ("blobs", _) => Ok(Self::Blob { name: name(head)?, digest: decode(last).parse()? }),
            ("referrers", _) => Ok(Self::Referrers { name: name(head)?, digest: decode(last).parse()? }),
            ("uploads", id) => {
                let head = head.strip_suffix("/blobs").ok_or_else(not_found)?;
                let name = name(head)?;
                if id.is_empty() {
                    Ok(Self::Uploads { name })
                } else {
                    Ok(Self::Upload { name, id: decode(id).parse()? })
                }
            }
            _ => Err(not_found()),
        }
    }

    /// The repository, if the endpoint has one.
    pub const fn name(&self) -> Option<&RepositoryName> {
        match self {
            Self::Root | Self::Base | Self::Catalog | Self::Extensions => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Referrers { name, .. } => Some(name),
        }
    }

    /// The same endpoint of another repository.
    #[must_use]
    pub fn within(&self, name: &RepositoryName) -> Self {
        let mut endpoint = self.clone();
        match &mut endpoint {
            Self::Root | Self::Base | Self::Catalog | Self::Extensions => {}
            Self::Tags { name: own }
            | Self::Manifest { name: own, .. }
            | Self::Blob { name: own, .. }
            | Self::Uploads { name: own }
            | Self::Upload { name: own, .. }
            | Self::Referrers { name: own, .. } => own.clone_from(name),
        }
        endpoint
    }

    /// The handler's name in metrics and logs. It is that of `registry:2` if that registry has the endpoint, so that
    /// dashboards keep working.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Extensions => "extensions",
            Self::Tags { .. } => "tags",
            Self::Manifest { .. } => "manifest",
            Self::Blob { .. } => "blob",
            Self::Uploads { .. } => "blob_upload",
            Self::Upload { .. } => "blob_upload_chunk",
            Self::Referrers { .. } => "referrers",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn name(name: &str) -> RepositoryName {
        name.parse().unwrap()
    }

    fn digest() -> Digest {
        format!("sha256:{HEX}").parse().unwrap()
    }

    fn tag(tag: &str) -> Reference {
        Reference::Tag(tag.parse().unwrap())
    }

    #[test]
    fn each_endpoint_is_read() {
        let id: UploadId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        for (path, endpoint, kind) in [
            ("/".to_owned(), Endpoint::Root, "root"),
            ("/v2".to_owned(), Endpoint::Base, "base"),
            ("/v2/".to_owned(), Endpoint::Base, "base"),
            ("/v2/_catalog".to_owned(), Endpoint::Catalog, "catalog"),
            ("/v2/_oci/ext/discover".to_owned(), Endpoint::Extensions, "extensions"),
            ("/v2/a/b/tags/list".to_owned(), Endpoint::Tags { name: name("a/b") }, "tags"),
            (
                "/v2/a/manifests/latest".to_owned(),
                Endpoint::Manifest { name: name("a"), reference: tag("latest") },
                "manifest",
            ),
            (
                format!("/v2/a/manifests/sha256:{HEX}"),
                Endpoint::Manifest { name: name("a"), reference: Reference::Digest(digest()) },
                "manifest",
            ),
            (
                format!("/v2/a/b/c/blobs/sha256:{HEX}"),
                Endpoint::Blob { name: name("a/b/c"), digest: digest() },
                "blob",
            ),
            ("/v2/a/blobs/uploads".to_owned(), Endpoint::Uploads { name: name("a") }, "blob_upload"),
            ("/v2/a/blobs/uploads/".to_owned(), Endpoint::Uploads { name: name("a") }, "blob_upload"),
            (
                format!("/v2/a/blobs/uploads/{id}"),
                Endpoint::Upload { name: name("a"), id },
                "blob_upload_chunk",
            ),
            (
                format!("/v2/a/referrers/sha256:{HEX}"),
                Endpoint::Referrers { name: name("a"), digest: digest() },
                "referrers",
            ),
        ] {
            let parsed = Endpoint::parse(&path);
            assert_eq!(parsed.as_ref(), Ok(&endpoint), "{path}");
            assert_eq!(endpoint.kind(), kind);
        }
    }

    #[test]
    fn a_name_may_hold_the_words_of_the_api() {
        for (path, endpoint) in [
            ("/v2/tags/list/tags/list", Endpoint::Tags { name: name("tags/list") }),
            ("/v2/a/manifests/tags/list", Endpoint::Tags { name: name("a/manifests") }),
            ("/v2/a/blobs/uploads/tags/list", Endpoint::Tags { name: name("a/blobs/uploads") }),
            (
                "/v2/a/tags/manifests/list",
                Endpoint::Manifest { name: name("a/tags"), reference: tag("list") },
            ),
            (
                "/v2/a/blobs/manifests/uploads",
                Endpoint::Manifest { name: name("a/blobs"), reference: tag("uploads") },
            ),
            ("/v2/blobs/uploads/blobs/uploads/", Endpoint::Uploads { name: name("blobs/uploads") }),
            ("/v2/v2/blobs/uploads", Endpoint::Uploads { name: name("v2") }),
        ] {
            assert_eq!(Endpoint::parse(path), Ok(endpoint), "{path}");
        }
    }

    #[test]
    fn escapes_are_decoded_within_their_segment() {
        let by_digest = Endpoint::Manifest { name: name("a/b"), reference: Reference::Digest(digest()) };
        assert_eq!(Endpoint::parse(&format!("/v2/a%2Fb/manifests/sha256%3A{HEX}")), Ok(by_digest.clone()));
        assert_eq!(Endpoint::parse(&format!("/v2/a%2fb/manifests/sha256%3a{HEX}")), Ok(by_digest));
        assert!(matches!(Endpoint::parse("/v2/a%2Ftags%2Flist"), Err(EndpointError::NotFound { .. })));
    }

    #[test]
    fn each_error_has_its_code_and_names_the_value() {
        for (path, code, named) in [
            ("", ErrorCode::Unsupported, "``"),
            ("/v1/", ErrorCode::Unsupported, "/v1/"),
            ("/v2/_catalog/", ErrorCode::Unsupported, "/v2/_catalog/"),
            ("/v2/tags/list", ErrorCode::Unsupported, "/v2/tags/list"),
            ("/v2/manifests/latest", ErrorCode::Unsupported, "/v2/manifests/latest"),
            ("/v2/a/tags/other", ErrorCode::Unsupported, "/v2/a/tags/other"),
            ("/v2/a/uploads/x", ErrorCode::Unsupported, "/v2/a/uploads/x"),
            ("/v2//manifests/latest", ErrorCode::NameInvalid, "empty"),
            ("/v2/A/manifests/latest", ErrorCode::NameInvalid, "`A`"),
            ("/v2/a/../b/tags/list", ErrorCode::NameInvalid, "`..`"),
            ("/v2/a%FF/tags/list", ErrorCode::NameInvalid, "a\u{FFFD}"),
            ("/v2/a%zz/tags/list", ErrorCode::NameInvalid, "a%zz"),
            ("/v2/a/manifests/-x", ErrorCode::TagInvalid, "`-x`"),
            ("/v2/a/manifests/", ErrorCode::TagInvalid, "``"),
            ("/v2/a/manifests/x%2Fy", ErrorCode::TagInvalid, "`x/y`"),
            ("/v2/a/manifests/sha256:bad", ErrorCode::DigestInvalid, "sha256:bad"),
            ("/v2/a/blobs/sha256:bad", ErrorCode::DigestInvalid, "sha256:bad"),
            ("/v2/a/blobs/md5:00", ErrorCode::DigestInvalid, "md5"),
            ("/v2/a/referrers/x", ErrorCode::DigestInvalid, "`x`"),
            ("/v2/a/blobs/uploads/x", ErrorCode::BlobUploadUnknown, "`x`"),
        ] {
            let error = Endpoint::parse(path).unwrap_err();
            assert_eq!(error.code(), code, "{path}");
            assert!(error.to_string().contains(named), "{path}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Endpoint::parse(&text);
            let _ = Endpoint::parse(&format!("/v2/{text}"));
        }

        #[test]
        fn no_sequence_of_known_segments_makes_it_panic(
            segments in prop::collection::vec(
                prop::sample::select(vec!["", "a", "tags", "list", "blobs", "uploads", "manifests", "%2F", "%", "\u{e9}"]),
                0..8,
            )
        ) {
            let _ = Endpoint::parse(&format!("/v2/{}", segments.join("/")));
        }
    }
}
