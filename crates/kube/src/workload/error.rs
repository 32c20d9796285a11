//! Why a workload cannot be changed, or does not become ready.

use std::time::Duration;

use crate::api::ApiError;

/// Why a workload cannot be changed, or does not become ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    /// The cluster's API refused or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The workload does not exist.
    #[error("the cluster of context `{context}` has no {what}: check its name and namespace")]
    Absent {
        /// The workload.
        what: String,
        /// The context.
        context: String,
    },
    /// The workload has no container of that name.
    #[error("{what} has no container `{container}`; its containers are: {there}")]
    NoContainer {
        /// The workload.
        what: String,
        /// The container's name.
        container: String,
        /// The names of its containers.
        there: String,
    },
    /// The workload has several containers, and nothing says which one is meant.
    #[error("{what} has several containers ({there}): name the one to change as {name}=CONTAINER")]
    WhichContainer {
        /// The workload.
        what: String,
        /// The names of its containers.
        there: String,
        /// The workload as the command line names it.
        name: String,
    },
    /// A paused Deployment does not replace its Pods.
    #[error("{what} is paused, so its Pods are not replaced: resume it with kubectl rollout resume first")]
    Paused {
        /// The workload.
        what: String,
    },
    /// The workload replaces a Pod only after somebody deletes it.
    #[error("{what} has the update strategy OnDelete: each Pod keeps its version until you delete the Pod")]
    OnDelete {
        /// The workload.
        what: String,
    },
    /// The workload did not become ready in time.
    #[error("{what} is not rolled out after {} s: {}", .waited.as_secs(), .reasons.join("; "))]
    NotReady {
        /// The workload.
        what: String,
        /// How long hythe waited.
        waited: Duration,
        /// What the workload and its Pods say.
        reasons: Vec<String>,
    },
}
