//! Why a command did not do what it was asked, and its exit code.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use hythe_oci::Authority;

use crate::config::ConfigError;

/// The exit codes, for `--help` and the documentation.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed: what was asked could not be done
  2  not understood: wrong usage, or a configuration that cannot be used";

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The command line cannot be understood, as a sentence that says what to write.
    #[error("{0}")]
    Usage(String),
    /// Anything else, as a sentence that says what to do.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// The exit code, as [`EXIT_CODES`] says.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) | Self::Usage(_) => 2,
            Self::Start(_) | Self::Other(_) => 1,
        }
    }
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error(
        "port {} is taken: another program listens on {address}. Stop it, or choose another address, \
         for example: `hythe serve {}`", .address.port(), other_port(*.free, .upstream.as_ref())
    )]
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
        /// The upstream that it was to answer for, if for one.
        upstream: Option<Authority>,
        /// A port that was free a moment ago.
        free: u16,
    },
    /// The system does not give the address.
    #[error("{address} cannot be listened on: {error}. {}", listen_advice(.error, flag(.upstream.as_ref())))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The upstream that it was to answer for, if for one.
        upstream: Option<Authority>,
        /// What the system said.
        error: std::io::Error,
    },
    /// The data folder cannot be this server's.
    #[error(transparent)]
    Data(#[from] hythe_storage::OpenError),
    /// The catalog in it cannot be used.
    #[error(transparent)]
    Catalog(#[from] hythe_catalog::OpenError),
    /// The blobs that the catalog names are not there.
    #[error(
        "{} names blobs, but {} is missing or empty. Is its volume mounted? Put that folder back; or start with an empty \
         registry: move the catalog away, or choose another folder with --data FOLDER",
        .catalog.display(), .blobs.display()
    )]
    BlobsMissing {
        /// The catalog's file.
        catalog: PathBuf,
        /// The folder.
        blobs: PathBuf,
    },
    /// No answer could carry the time.
    #[error("this machine's clock shows a time before 1970 or after 9999; set the clock, then start again")]
    Clock,
    /// What another registry left in a folder cannot be taken over.
    #[error(
        "what a registry:2 left in {} cannot be imported: {error}. Nothing of it was changed, and the next try goes on \
         from here", .folder.display()
    )]
    Import {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        error: hythe_lifecycle::Error,
    },
    /// Root cannot become the user that it gave the data folder to.
    #[error(
        "the server cannot go on as user {user}: {error}. Start it as that user, or let it stay root with \
         HYTHE_STAY_ROOT=true"
    )]
    User {
        /// The user.
        user: u32,
        /// What the system said.
        error: std::io::Error,
    },
    /// What an earlier end left behind cannot be cleared away.
    #[error("the data folder {} cannot be made ready: {error}", .folder.display())]
    Recover {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        error: hythe_registry::Error,
    },
}

impl StartError {
    /// Why an address could not be bound that was to answer for an upstream, or for all.
    pub fn bind(address: SocketAddr, upstream: Option<Authority>, error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            Self::PortTaken { address, upstream, free: free_port(address.port()) }
        } else {
            Self::Listen { address, upstream, error }
        }
    }
}

fn flag(upstream: Option<&Authority>) -> &'static str {
    if upstream.is_some() { "--mirror" } else { "--listen" }
}

/// The next port above one that is taken on which nobody listens.
fn free_port(taken: u16) -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (taken..u16::MAX).map(|port| port + 1).take(100).find(is_free).unwrap_or(5001)
}

fn other_port(port: u16, upstream: Option<&Authority>) -> String {
    let name = upstream.map_or_else(String::new, |upstream| format!("={upstream}"));
    format!("{} 127.0.0.1:{port}{name}", flag(upstream))
}

fn listen_advice(error: &std::io::Error, flag: &str) -> String {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("A port below 1024 needs a privilege: choose a higher one with {flag}")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("No interface of this machine has that address: choose another with {flag}")
        }
        _ => format!("Choose another address with {flag}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn every_start_error_is_one_paragraph_that_says_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = StartError::bind(address, None, Error::from(ErrorKind::AddrInUse));
        assert!(taken.to_string().contains(&format!("port {} is taken", address.port())));
        let StartError::PortTaken { free, .. } = taken else { panic!("{taken}") };
        assert!(free != address.port() && TcpListener::bind(("127.0.0.1", free)).is_ok());
        assert!(taken.to_string().ends_with(&format!("`hythe serve --listen 127.0.0.1:{free}`")));
        let privileged =
            StartError::bind("127.0.0.1:80".parse().unwrap(), None, Error::from(ErrorKind::PermissionDenied));
        assert!(privileged.to_string().contains("choose a higher one"));
        for error in [taken, privileged] {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains("--listen"), "{text}");
            assert_eq!(Failure::from(error).exit_code(), 1);
        }
    }

    #[test]
    fn a_mirror_s_address_is_chosen_by_its_own_flag() {
        let (address, upstream) = ("127.0.0.1:5002".parse().unwrap(), Some("docker.io".parse().unwrap()));
        let taken = StartError::PortTaken { address, upstream, free: 5003 }.to_string();
        assert!(taken.ends_with("`hythe serve --mirror 127.0.0.1:5003=docker.io`"), "{taken}");
    }
}
