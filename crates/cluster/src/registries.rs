//! The settings of clients other than containerd: `BuildKit`, Podman, CRI-O and dockerd.
//!
//! dockerd 28 and later also reads `hosts.toml` files ([`DOCKER_ROOT`]), without a restart, for its containerd image
//! store and for builds: see [`crate::hosts`].

mod buildkit;
mod docker;
mod podman;

use hythe_oci::Authority;

pub use buildkit::{add_to_buildkit, remove_from_buildkit};
pub use docker::{add_to_docker, remove_from_docker};
pub use podman::{PODMAN_FILE, podman_file};

use crate::hosts::Endpoint;
use crate::toml_error::NotToml;

/// The root of dockerd's `hosts.toml` files. A rootless dockerd uses `$XDG_CONFIG_HOME/docker/certs.d`.
pub const DOCKER_ROOT: &str = "/etc/docker/certs.d";

/// A note for users of k3s and RKE2, whose `hosts.toml` files are in `agent/etc/containerd/certs.d` below their data
/// folder.
pub const K3S_NOTE: &str = "\
At their start, k3s and RKE2 write hosts.toml files for the registries in registries.yaml, and do not touch other files. \
If registries.yaml also names a registry that hythe serves, its file is overwritten: remove the registry from \
registries.yaml, or name hythe there and restart k3s or RKE2.";

/// The address at which clients on this host reach hythe, and the upstreams that they pull through it.
#[derive(Clone, Copy, Debug)]
pub struct Mirrors<'a> {
    /// hythe's address.
    pub endpoint: &'a Endpoint,
    /// The registries for which clients ask hythe first.
    pub upstreams: &'a [Authority],
}

/// Why a client's settings are not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistriesError {
    /// The file is not TOML.
    #[error(transparent)]
    NotToml(#[from] NotToml),
    /// The file is not JSON.
    #[error("line {line} is not JSON: {message}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value has the wrong kind.
    #[error("`{key}` must be {expected}")]
    Kind {
        /// The key.
        key: String,
        /// The kind that it must have.
        expected: &'static str,
    },
}

/// The error for a value of the wrong kind.
fn kind(key: impl Into<String>, expected: &'static str) -> RegistriesError {
    RegistriesError::Kind { key: key.into(), expected }
}
