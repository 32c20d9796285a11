//! The names of the API's own headers, in lower case as `http::HeaderName::from_static` requires.

/// The digest of the manifest or blob that was answered or pushed.
pub const DOCKER_CONTENT_DIGEST: &str = "docker-content-digest";
/// The version of the API. Older clients expect this header in every answer, 401 included.
pub const DOCKER_DISTRIBUTION_API_VERSION: &str = "docker-distribution-api-version";
/// The only value of [`DOCKER_DISTRIBUTION_API_VERSION`].
pub const API_VERSION: &str = "registry/2.0";
/// The id of the upload session.
pub const DOCKER_UPLOAD_UUID: &str = "docker-upload-uuid";
/// The subject of the pushed manifest. It tells the client that the referrers API lists the manifest.
pub const OCI_SUBJECT: &str = "oci-subject";
/// The tags that a push by digest set.
pub const OCI_TAG: &str = "oci-tag";
/// The filters that the registry applied to the referrers.
pub const OCI_FILTERS_APPLIED: &str = "oci-filters-applied";
/// The value of [`OCI_FILTERS_APPLIED`] for `?artifactType=`, which is also that parameter's name.
pub const FILTER_ARTIFACT_TYPE: &str = "artifactType";
/// The upstream that a request selected with `?ns=`.
pub const OCI_NAMESPACE: &str = "oci-namespace";
/// The fewest bytes that a chunk may have, except the last chunk.
pub const OCI_CHUNK_MIN_LENGTH: &str = "oci-chunk-min-length";
/// hythe's own: the client loads content of an upstream, for example from a bundle. The pushed content stays the
/// upstream's copy.
pub const HYTHE_LOAD: &str = "hythe-load";
/// How many requests the upstream allows (Docker Hub).
pub const RATELIMIT_LIMIT: &str = "ratelimit-limit";
/// How many of those requests are left (Docker Hub).
pub const RATELIMIT_REMAINING: &str = "ratelimit-remaining";
/// The address or account whose requests the upstream counts (Docker Hub).
pub const DOCKER_RATELIMIT_SOURCE: &str = "docker-ratelimit-source";

/// The headers that scripts in a browser must be allowed to read (`Access-Control-Expose-Headers`), beside HTTP's own.
pub const EXPOSED: [&str; 8] = [
    DOCKER_CONTENT_DIGEST,
    DOCKER_DISTRIBUTION_API_VERSION,
    DOCKER_UPLOAD_UUID,
    OCI_SUBJECT,
    OCI_TAG,
    OCI_FILTERS_APPLIED,
    OCI_NAMESPACE,
    OCI_CHUNK_MIN_LENGTH,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case() {
        for name in EXPOSED {
            assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'), "{name}");
        }
    }
}
