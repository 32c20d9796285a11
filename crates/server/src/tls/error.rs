//! Why TLS cannot be set up with the given files.

use std::io;
use std::path::{Path, PathBuf};

use rustls::server::VerifierBuilderError;
use rustls::{Error, InconsistentKeys};

/// Why TLS cannot be set up with the given files.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum TlsError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is too large for a file of certificates or keys: the most is 1 MiB", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not valid PEM: {error}", path.display())]
    Pem { path: PathBuf, error: rustls::pki_types::pem::Error },
    #[error("{} has no certificate: it must have a block that begins with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate { path: PathBuf },
    #[error("{} has no private key that can be used: it must have a block that begins with -----BEGIN PRIVATE KEY-----, without a password", path.display())]
    NoKey { path: PathBuf },
    #[error("a certificate in {} cannot be used: {error}", path.display())]
    Certificate { path: PathBuf, error: Error },
    #[error("a certificate in {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("the private key in {} cannot be used: {error}", path.display())]
    Key { path: PathBuf, error: Error },
    #[error("the private key in {} does not belong to the certificate in {}, which must be the first one in its file", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("the clients' certificate authorities cannot be used: {0}")]
    Clients(String),
    #[error("TLS cannot be set up: {0}")]
    Unusable(Error),
}

impl TlsError {
    /// The error of a certificate and a key that do not match.
    pub(super) fn pair(certificate: &Path, key: &Path, error: Error) -> Self {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Self::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            error => Self::Certificate { path: certificate.to_owned(), error },
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "passed to map_err")]
    pub(super) fn clients(error: VerifierBuilderError) -> Self {
        Self::Clients(error.to_string())
    }
}
