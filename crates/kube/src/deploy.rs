//! A registry in a cluster: renders, applies, inspects and removes its objects.

mod apply;
mod error;
mod existing;
mod forward;
mod host_path;
mod kustomize;
mod label;
mod list;
mod logs;
mod name;
mod options;
mod pods;
mod progress;
mod quantity;
mod remove;
mod render;
mod rollout;
mod status;
mod yaml;

pub use apply::{Applied, apply};
pub use error::DeployError;
pub use forward::{ForwardEvent, forward};
pub use host_path::HostPath;
pub use kustomize::{KustomizeFile, kustomize};
pub use label::{Label, Peer};
pub use list::{Deployed, list};
pub use logs::{LogOptions, logs};
pub use name::{Name, Namespace, StorageClass, ValueError};
pub use options::{
    DEFAULT_CPU, DEFAULT_MEMORY, DEFAULT_NAME, DEFAULT_NAMESPACE, DEFAULT_NODE_PORT, DEFAULT_SIZE, Data,
    DeployOptions, ImageSource, Target, Workload,
};
pub use pods::PodState;
pub(crate) use pods::state as pod_state;
pub use progress::Progress;
pub use quantity::Quantity;
pub use remove::{Left, Removed, remove};
pub use render::render;
pub use status::{ServiceState, Status, Stored, services, status};
pub use yaml::to_yaml;

/// The port of the registry's container and of its Services.
pub const PORT: u16 = 5000;

/// The name of the container's port in the Pod.
const PORT_NAME: &str = "http";
