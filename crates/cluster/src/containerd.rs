//! A node's containerd: the abilities of its version, its configuration, and the change to the configuration that makes
//! it read `hosts.toml` files.

mod patch;
mod settings;
mod version;

pub use patch::{Patch, PatchError, patch};
pub use settings::{Reads, Settings, SettingsError};
pub use version::{Version, VersionError};

/// The root that hythe sets if none is set. Node images and documentation use the same one.
pub const CONFIG_PATH: &str = "/etc/containerd/certs.d";
