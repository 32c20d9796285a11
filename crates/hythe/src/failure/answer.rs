//! Registries that do not give a command what it asks for.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why a registry did not give a command what it asked for.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No registry answers at the address.
    #[error(
        "no registry answers at {url}: {reason}. Start one with `hythe serve`, or name another registry with --registry \
         URL or HYTHE_REGISTRY"
    )]
    Unreachable {
        /// The registry's URL.
        url: String,
        /// The connection's error.
        reason: String,
    },
    /// The registry's certificate is not trusted.
    #[error("cannot trust the registry at {url}: {reason}. Set SSL_CERT_FILE to the file of that authority")]
    Untrusted {
        /// The registry's URL.
        url: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The client cannot use the answer.
    #[error("cannot use the answer of the registry at {url}: {error}")]
    Unusable {
        /// The registry's URL.
        url: String,
        /// The client's error.
        error: hythe_client::Error,
    },
    /// The registry refuses.
    #[error("the registry refuses: {message}")]
    Refused {
        /// The registry's message.
        message: String,
    },
    /// Something answers that has no admin API, or not this one.
    #[error(
        "{url} does not serve hythe's admin API ({answer}): it may be another registry or an older version. Name your \
         registry with --registry URL or HYTHE_REGISTRY, or upgrade it"
    )]
    NotHythe {
        /// The registry's URL.
        url: String,
        /// What is wrong with the answer.
        answer: String,
    },
    /// The result of garbage collection has another form.
    #[error("cannot read the registry's answer: {0}")]
    Collection(serde_json::Error),
    /// The configuration does not say where the running registry is.
    #[error("cannot ask the running registry: the configuration has no `listen` address")]
    NoAddress,
    /// The registry of this container does not answer.
    #[error("{address} does not answer: {error}")]
    Silent {
        /// The registry's address.
        address: SocketAddr,
        /// The connection's error.
        error: io::Error,
    },
    /// The registry of this container is not ready.
    #[error("{address} is not ready: {status}")]
    NotReady {
        /// The registry's address.
        address: SocketAddr,
        /// The status of its answer.
        status: String,
    },
    /// The server of this container did not read its logins in time.
    #[error("the server did not read the logins within {waited:?}: its log says why")]
    LoginsUnread {
        /// How long the command waited.
        waited: Duration,
    },
    /// The registry in a cluster does not serve.
    #[error("the registry does not serve: {}. Its log: `hythe deploy logs`", listed(.reasons))]
    NotServing {
        /// What its Pods say.
        reasons: Vec<String>,
    },
    /// A data folder has no catalog.
    #[error(
        "{} has no garbage to collect: hythe has not run there yet. When `registry serve` starts, it imports a \
         registry:2's content", .data.display()
    )]
    NeverRan {
        /// The data folder.
        data: PathBuf,
    },
    /// Garbage collection failed.
    #[error("garbage collection failed: {0}")]
    CollectionFailed(hythe_registry::Error),
}

fn listed(reasons: &[String]) -> String {
    if reasons.is_empty() { "no Pod is ready".to_owned() } else { reasons.join("; ") }
}
