//! Why the server cannot start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use hythe_oci::Authority;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program listens on the port.
    #[error(
        "port {} is taken: another program listens on {address}. Stop it, or choose another address, \
         for example: `hythe serve {}`", .address.port(), other_port(*.free, .upstream.as_ref())
    )]
    PortTaken {
        /// The configured address.
        address: SocketAddr,
        /// The upstream that the address serves, if it is a mirror's.
        upstream: Option<Authority>,
        /// A port that was free a moment ago.
        free: u16,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {error}. {}", listen_advice(.error, flag(.upstream.as_ref())))]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The upstream that the address serves, if it is a mirror's.
        upstream: Option<Authority>,
        /// The system's error.
        error: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot set up TLS: {0} (tls.certificate, tls.key, tls.client-ca)")]
    Tls(hythe_server::TlsError),
    /// This server cannot use the data folder.
    #[error(transparent)]
    Data(#[from] hythe_storage::fs::OpenError),
    /// This server cannot use the catalog in the data folder.
    #[error(transparent)]
    Catalog(#[from] hythe_catalog::OpenError),
    /// The catalog lists blobs, and the folder of blobs is missing or empty.
    #[error(
        "the catalog {} lists blobs, but the folder {} is missing or empty. Check that its volume is mounted, or restore \
         the folder. To start with an empty registry, move the catalog away or choose another folder with --data FOLDER",
        .catalog.display(), .blobs.display()
    )]
    BlobsMissing {
        /// The catalog's file.
        catalog: PathBuf,
        /// The folder of the blobs.
        blobs: PathBuf,
    },
    /// A restore into the data folder was interrupted.
    #[error(
        "a restore into {0} was interrupted. Run it again, and it continues: `hythe restore DEST --data {0}`. To start with an \
         empty registry instead, choose another folder with --data FOLDER", .folder.display()
    )]
    Restoring {
        /// The data folder.
        folder: PathBuf,
    },
    /// The password file cannot be used.
    #[error("{0}. The key is auth.htpasswd")]
    Htpasswd(#[from] hythe_auth::HtpasswdError),
    /// The key that signs tokens cannot be made.
    #[error(transparent)]
    TokenKey(#[from] hythe_auth::KeyError),
    /// The clock shows a time that HTTP responses cannot express.
    #[error("this machine's clock shows a time before 1970 or after 9999; set the clock, then start again")]
    Clock,
    /// The import of another registry's folder failed.
    #[error(
        "cannot import the registry:2 data in {}: {error}. The import changed nothing there, and the next start continues \
         it", .folder.display()
    )]
    Import {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        error: hythe_lifecycle::Error,
    },
    /// Root cannot switch to the user that owns the data folder.
    #[error(
        "the server cannot switch to user {user}: {error}. Start it as that user, or keep it running as root with \
         HYTHE_STAY_ROOT=true"
    )]
    User {
        /// The user.
        user: u32,
        /// The system's error.
        error: std::io::Error,
    },
    /// The server cannot clean up what an earlier run left unfinished.
    #[error("cannot clean up the data folder {} after an earlier run: {error}", .folder.display())]
    Recover {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        error: hythe_registry::Error,
    },
}

impl StartError {
    /// The error of binding `address`, which serves `upstream` if it is a mirror's.
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

/// The next free port above a taken port; 5001 if the next 100 ports are taken too.
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
            format!("A port below 1024 needs a privilege: choose a higher port with {flag}")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            format!("No interface of this machine has that address: choose another address with {flag}")
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
        assert!(privileged.to_string().contains("choose a higher port"));
        for error in [taken, privileged] {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains("--listen"), "{text}");
        }
    }

    #[test]
    fn the_message_about_a_mirror_s_address_suggests_the_flag_of_mirrors() {
        let (address, upstream) = ("127.0.0.1:5002".parse().unwrap(), Some("docker.io".parse().unwrap()));
        let taken = StartError::PortTaken { address, upstream, free: 5003 }.to_string();
        assert!(taken.ends_with("`hythe serve --mirror 127.0.0.1:5003=docker.io`"), "{taken}");
    }
}
