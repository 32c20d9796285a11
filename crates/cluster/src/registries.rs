//! The settings of clients other than containerd: `BuildKit`, Podman and CRI-O, dockerd.
//!
//! dockerd from 28 on reads `hosts.toml` files too ([`DOCKER_ROOT`]), without being started anew, for its containerd
//! image store and for builds: see [`crate::hosts`].

mod buildkit;
mod docker;
mod podman;

use hythe_oci::Authority;

pub use buildkit::{add_to_buildkit, remove_from_buildkit};
pub use docker::{add_to_docker, remove_from_docker};
pub use podman::{PODMAN_FILE, podman_file};

use crate::hosts::Endpoint;
use crate::toml_error::NotToml;

/// The root of dockerd's `hosts.toml` files; a rootless one has `$XDG_CONFIG_HOME/docker/certs.d`.
pub const DOCKER_ROOT: &str = "/etc/docker/certs.d";

/// What is to be known of k3s and RKE2, whose `hosts.toml` files are below `agent/etc/containerd/certs.d` of their data
/// folder.
pub const K3S_NOTE: &str = "\
k3s and RKE2 write hosts.toml files from registries.yaml when they start, and leave those alone that they did not write. \
A registry that registries.yaml names too is theirs: take it out of there, or name hythe there and start them anew.";

/// hythe as a client of its host sees it, and what is pulled through it.
#[derive(Clone, Copy, Debug)]
pub struct Mirrors<'a> {
    /// Where hythe answers.
    pub endpoint: &'a Endpoint,
    /// The registries that it is asked for first.
    pub upstreams: &'a [Authority],
}

/// Why a client's settings are left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistriesError {
    /// It is not TOML.
    #[error(transparent)]
    NotToml(#[from] NotToml),
    /// It is not JSON.
    #[error("line {line} is not JSON: {message}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value has a wrong kind.
    #[error("`{key}` must be {expected}")]
    Kind {
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
    },
}

/// A value of a wrong kind.
fn kind(key: impl Into<String>, expected: &'static str) -> RegistriesError {
    RegistriesError::Kind { key: key.into(), expected }
}
