//! containerd as a node runs it: what its version can, what its configuration says, and the change to that
//! configuration after which `hosts.toml` files are read.

mod patch;
mod settings;
mod version;

pub use patch::{Patch, PatchError, patch};
pub use settings::{Reads, Settings, SettingsError};
pub use version::{Version, VersionError};

/// The root that hythe sets where none is set: the one that every node image and document uses.
pub const CONFIG_PATH: &str = "/etc/containerd/certs.d";
