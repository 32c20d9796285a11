//! What is requested from an upstream.

use hythe_oci::RepositoryName;

/// A thing requested from an upstream, whatever the form of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Thing {
    /// The repository, by its name at the upstream.
    pub(crate) repository: RepositoryName,
    /// The thing in it: a tag, a digest, a list.
    pub(crate) what: String,
}

/// The kind of a request: a rate limit on manifests does not affect other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifest,
    Other,
}
