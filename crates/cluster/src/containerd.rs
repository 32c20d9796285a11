//! A node's containerd: the abilities of its version, its configuration, and the change to the configuration that makes
//! it read `hosts.toml` files.

mod config;
mod patch;

pub use crate::containerd_version::{Version, VersionError};
pub use config::{ContainerdConfig, ContainerdConfigError, Reads};
pub use patch::{Patch, PatchError, patch};

/// The root that hythe sets if none is set. Node images and documentation use the same one.
pub const CONFIG_PATH: &str = "/etc/containerd/certs.d";

/// The folder with hosts.toml files that k3s gives to its containerd.
pub(crate) const K3S_CONFIG_PATH: &str = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d";
