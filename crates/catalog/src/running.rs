//! What clusters run.

use hythe_oci::Digest;

/// The images that one cluster runs, as the registry was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The name of the cluster.
    pub source: String,
    /// The digests of indexes, manifests or configs of its images.
    pub digests: Vec<Digest>,
    /// When the registry was told.
    pub at: i64,
}
