//! Why a registry cannot be deployed, found or removed.

use std::time::Duration;

use super::{DEFAULT_NODE_PORT, Quantity, StorageClass, Target};
use crate::api::{ApiError, Object};

/// Why a registry cannot be deployed, found or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The cluster's API refused or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Kubernetes does not shrink a claim.
    #[error(
        "the claim {claim} has {has}, and Kubernetes cannot shrink a claim to {asked}. Leave --size out to keep the size; \
         for a smaller claim, remove the registry with its data first: `hythe deploy remove --data`"
    )]
    Shrinks {
        /// The claim.
        claim: String,
        /// The claim's size.
        has: Quantity,
        /// The size that was asked for.
        asked: Quantity,
    },
    /// Kubernetes does not change the storage class of a claim.
    #[error(
        "the claim {claim} has the storage class `{has}`, and Kubernetes cannot change it to `{asked}`. Leave \
         --storage-class out to keep the class, or remove the registry with its data first: \
         `hythe deploy remove --data`"
    )]
    OtherClass {
        /// The claim.
        claim: String,
        /// The claim's class.
        has: String,
        /// The class that was asked for.
        asked: StorageClass,
    },
    /// The data would stay where it is, and the registry would begin without it.
    #[error(
        "the registry's data is in {from}; in {to} the registry would begin empty. Leave the option out to keep the data, \
         or remove the registry first: `hythe deploy remove`"
    )]
    Moves {
        /// Where the data is.
        from: String,
        /// Where the options put the data.
        to: String,
    },
    /// The Service cannot have the node port.
    #[error(
        "{what} cannot have the node port {port}: {}. Choose another port: `hythe deploy --node-port {}`; or deploy \
         without a node port: `hythe deploy --node-port 0`",
        .by.as_ref().map_or_else(|| .message.clone(), |by| format!("the Service {by} has this port")),
        other_port(*.port)
    )]
    NodePort {
        /// The Service.
        what: Object,
        /// The port.
        port: u16,
        /// The Service that has the port, if it is known.
        by: Option<String>,
        /// The message of the cluster's API.
        message: String,
    },
    /// The workload did not become ready in time.
    #[error("{what} is not ready after {} s: {}. `hythe deploy status` shows its state, `hythe deploy logs` its log", .waited.as_secs(), .reasons.join("; "))]
    NotReady {
        /// The workload.
        what: Object,
        /// How long hythe waited.
        waited: Duration,
        /// What the Pods and the cluster's warnings say.
        reasons: Vec<String>,
    },
    /// The cluster has no registry of this name.
    #[error(
        "there is no registry `{}` in the namespace `{}`: deploy it with `hythe deploy`, or name another registry with \
         --namespace and --name", .0.name, .0.namespace
    )]
    Absent(Target),
    /// The registry exists, but has no Pod.
    #[error("the registry `{}` in the namespace `{}` has no Pod: `hythe deploy status` may say why", .0.name, .0.namespace)]
    NoPod(Target),
}

/// A node port to suggest in place of this one, in the default range of clusters (30000 to 32767).
fn other_port(port: u16) -> u16 {
    if (30000..32767).contains(&port) { port + 1 } else { DEFAULT_NODE_PORT }
}
