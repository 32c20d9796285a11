//! Why a command did not do what it was asked, and its exit code.

use std::net::SocketAddr;
use std::path::PathBuf;

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
         for example: hythe serve --listen 127.0.0.1:{}", .address.port(), .address.port().checked_add(1).unwrap_or(5001)
    )]
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not give the address.
    #[error("{address} cannot be listened on: {error}. {}", listen_advice(.error))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The data folder cannot be this server's.
    #[error(transparent)]
    Data(#[from] hythe_storage::OpenError),
    /// The catalog in it cannot be used.
    #[error(transparent)]
    Catalog(#[from] hythe_catalog::OpenError),
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
    /// Why an address could not be bound.
    pub fn bind(address: SocketAddr, error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::AddrInUse {
            Self::PortTaken { address }
        } else {
            Self::Listen { address, error }
        }
    }
}

fn listen_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "A port below 1024 needs a privilege: choose a higher one with --listen"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "No interface of this machine has that address: choose another with --listen"
        }
        _ => "Choose another address with --listen",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn every_start_error_is_one_paragraph_that_says_what_to_do() {
        let address: SocketAddr = "127.0.0.1:5001".parse().unwrap();
        let taken = StartError::bind(address, Error::from(ErrorKind::AddrInUse));
        assert!(
            taken.to_string().contains("port 5001 is taken")
                && taken.to_string().contains("--listen 127.0.0.1:5002")
        );
        let privileged =
            StartError::bind("127.0.0.1:80".parse().unwrap(), Error::from(ErrorKind::PermissionDenied));
        assert!(privileged.to_string().contains("choose a higher one"));
        for error in [taken, privileged] {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains("--listen"), "{text}");
            assert_eq!(Failure::from(error).exit_code(), 1);
        }
    }
}
