//! The page that is told what clusters run.

use hythe_oci::Digest;
use serde::{Deserialize, Serialize};

/// What a cluster runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The digests of indexes, manifests or configs of its images.
    pub digests: Vec<Digest>,
}

/// A cluster that has told what it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningIn {
    /// The name of the cluster.
    pub source: String,
    /// How many digests it told.
    pub digests: u64,
    /// When it told them, in RFC 3339's format; `None` if the time cannot be written so.
    pub told: Option<String>,
}
