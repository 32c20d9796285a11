//! What happens while a registry is deployed or removed, step by step.

use super::PodState;
use crate::api::{Change, Object};

/// What happens while a registry is deployed or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An object was written.
    Applied {
        /// The object.
        object: Object,
        /// Whether it is new, changed, or as before.
        change: Change,
    },
    /// An object was removed.
    Removed(Object),
    /// The state of a Pod changed.
    Pod(PodState),
    /// The data is in a folder of a node, and Kubernetes may put the next Pod on another node.
    Unpinned {
        /// The number of nodes that may run the Pod.
        nodes: usize,
    },
}
