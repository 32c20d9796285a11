//! Why a command failed, and its exit code.

mod answer;
mod build;
mod file;
#[cfg(feature = "cluster")]
mod local;
mod start;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use hythe_client::Remedy;
#[cfg(feature = "cluster")]
use hythe_cluster::image::{BinaryError, NodeError};
#[cfg(feature = "cluster")]
use hythe_cluster::registry::RegistryError;
#[cfg(feature = "cluster")]
use hythe_engine::EngineError;
#[cfg(feature = "cluster")]
use hythe_kube::api::ApiError;
#[cfg(feature = "cluster")]
use hythe_kube::deploy::DeployError;
#[cfg(feature = "cluster")]
use hythe_kube::workload::WorkloadError;

use crate::config::ConfigError;

pub use answer::AnswerError;
pub use build::BuildError;
pub use file::FileError;
#[cfg(feature = "cluster")]
pub use local::{Fixable, LocalError};
pub use start::StartError;

/// The exit codes, for `--help` and the documentation.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  the command succeeded
  1  the command failed
  2  the command line or the configuration is wrong";

/// Why a command failed. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The command line is wrong. The text says what to write.
    #[error("{0}")]
    Usage(String),
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The port that a command listens on is taken.
    #[error(
        "port {} is taken: another program listens on {address}. Stop it, or choose another port: {instead}",
        .address.port()
    )]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// The command with another port, between backticks.
        instead: String,
    },
    /// A file or a folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A registry did not give what the command asked for.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// A backup or a restore failed.
    #[error(transparent)]
    Backup(#[from] hythe_backup::Error),
    /// Images could not be warmed, copied or deleted, or are incomplete.
    #[error("{0}")]
    Images(String),
    /// A run that would delete much stopped, and wants a confirmation.
    #[error("{0}")]
    Unconfirmed(String),
    /// The rules about access deny an action.
    #[error("{0}")]
    Denied(String),
    /// Images could not be built, or need a build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Checks of a registry failed, or did not run.
    #[error("{0}")]
    Suite(String),
    /// A registry refused a request, or cannot be reached.
    #[error("{}{}", .0, remedy(.0))]
    Registry(#[from] hythe_client::Error),
    /// An image could not be read or copied.
    #[error("{}{}", .0, remedy_of_copy(.0))]
    Transfer(#[from] hythe_transfer::Error),
    /// The login for a registry cannot be read.
    #[error("{0}")]
    Login(String),
    /// The engine, the clusters or the clients of this machine do not fit.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The container engine refused, or did not answer.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The registry's container could not be started, replaced or removed.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Container(#[from] RegistryError),
    /// No binary was found for hythe's image.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// hythe's image could not be loaded into the nodes of a cluster.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Nodes(#[from] NodeError),
    /// A cluster refused, or its registry does not get ready.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A workload of a cluster could not be changed, or does not become ready.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The cluster of a context cannot be used.
    #[cfg(feature = "cluster")]
    #[error("{error}{}", other_context(.error, *.is_current))]
    Cluster {
        /// The error of the cluster's API.
        error: ApiError,
        /// Whether the context is the current one, not one that the user named: the user may have meant another.
        is_current: bool,
    },
    /// The system does not start a thread that the command needs.
    #[error("cannot start {what}: {error}")]
    Thread {
        /// What the thread is for.
        what: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// A part of hythe failed in a way that only a defect of hythe explains.
    #[error("{doing} failed unexpectedly: {error}")]
    Internal {
        /// The work that failed.
        doing: &'static str,
        /// The cause.
        error: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    /// The failure because the system does not start a thread.
    pub(crate) fn thread(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Thread { what, error }
    }

    /// The failure because of a defect of hythe.
    pub(crate) fn internal<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::Internal { doing, error: error.into() }
    }

    /// The exit code, as [`EXIT_CODES`] documents it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => 2,
            Self::Build(error) => error.exit_code(),
            Self::Unconfirmed(_) => 11,
            Self::Denied(_) => 12,
            Self::Start(_)
            | Self::PortTaken { .. }
            | Self::File(_)
            | Self::Answer(_)
            | Self::Backup(_)
            | Self::Images(_)
            | Self::Suite(_)
            | Self::Registry(_)
            | Self::Transfer(_)
            | Self::Login(_)
            | Self::Thread { .. }
            | Self::Internal { .. } => 1,
            #[cfg(feature = "cluster")]
            Self::Local(_)
            | Self::Engine(_)
            | Self::Container(_)
            | Self::Binary(_)
            | Self::Nodes(_)
            | Self::Deploy(_)
            | Self::Workload(_)
            | Self::Cluster { .. } => 1,
        }
    }
}

#[cfg(feature = "cluster")]
fn other_context(error: &ApiError, is_current: bool) -> &'static str {
    if is_current && matches!(error, ApiError::Unreachable { .. } | ApiError::Unauthorized { .. }) {
        "; for another cluster, name its context with --context"
    } else {
        ""
    }
}

/// The option that would let a request to a registry succeed.
fn remedy(error: &hythe_client::Error) -> String {
    match error.remedy() {
        Some(Remedy::PrivateHost(host)) => format!("; to allow that, add `--private-host {host}`"),
        Some(Remedy::Authority) => {
            "; to trust it, add `--ca FILE` with that authority's certificate".to_owned()
        }
        None => String::new(),
    }
}

fn remedy_of_copy(error: &hythe_transfer::Error) -> String {
    match error {
        hythe_transfer::Error::Registry(error) => remedy(error),
        _ => String::new(),
    }
}
